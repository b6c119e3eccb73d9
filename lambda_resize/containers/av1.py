"""AV1 inside an AVIF item: its decoder decodes all frames, and returns one.

The syntax is that of the AV1 specification, 5.5 (sequence header).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lambda_resize.containers import bounds
from lambda_resize.containers.bits import Bits
from lambda_resize.containers.cicp import UNSPECIFIED, Coding

_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6  # types of units ("OBU")
_SHOWN = 0x90  # bits of a frame's first byte: it shows an earlier one, or itself
_HEADER = 1000  # bytes that hold any sequence's, of 32 operating points


def frames(data: bytes) -> int:
    """Return how many frames there are."""
    return sum(kind in {_FRAME_HEADER, _FRAME} for kind, _, _ in _units(data))


def profile(data: bytes) -> int:
    """Return the highest profile of its sequences: above 0, colours may have the full resolution (AV1, 6.4.1)."""
    return max((first >> 5 for kind, first, _ in _units(data) if kind == _SEQUENCE), default=0)


class Sample(NamedTuple):
    """What decoding a picture of a sequence takes.

    Attributes:
        units: How many there are.
        frames: Likewise.
        shown: How many of the frames are pictures; the others are what pictures are predicted from.
        pixels: How many a frame may have.
        is_reduced: Whether a sequence has a still picture's header, after which all frames are shown.
    """

    units: int
    frames: int
    shown: int
    pixels: int
    is_reduced: bool


def sample(data: bytes, *, is_reduced: bool = False) -> Sample:
    """Return what decoding a picture takes; `is_reduced` is that of the pictures before."""
    found = list(_units(data))
    headers = [_begin(Bits(data[at : at + _HEADER])) for kind, _, at in found if kind == _SEQUENCE]
    frames = [first for kind, first, _ in found if kind in {_FRAME_HEADER, _FRAME}]
    is_reduced = is_reduced or any(reduced for _, reduced, _, _ in headers)
    shown = len(frames) if is_reduced else sum(first & _SHOWN > 0 for first in frames)
    pixels = max((width * height for _, _, width, height in headers), default=0)
    return Sample(len(found), len(frames), shown, pixels, is_reduced)


def coding(data: bytes) -> Coding | None:
    """Return what the first sequence says of its colours, `limited` whatever has them; None if there is none."""
    start = next((at for kind, _, at in _units(data) if kind == _SEQUENCE), None)
    return None if start is None else _colours(Bits(data[start : start + _HEADER]))


def _units(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the type of each unit, its first byte, and where that is."""
    at = units = 0
    while at < len(data):
        units += 1
        bounds.check_parts("AV1 units", units)
        head = data[at]
        at += 2 if head & 4 else 1
        size, at = _leb128(data, at) if head & 2 else (len(data) - at, at)
        yield head >> 3 & 15, data[at] if at < len(data) else 0, at
        at += size


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of up to eight bytes, and where the next begins."""
    value = 0
    for index, byte in enumerate(data[at : at + 8]):
        value |= (byte & 127) << 7 * index
        if byte < 128:  # noqa: PLR2004 -- without the bit that says that more follow
            return value, at + index + 1
    return value, at + 8


def _begin(bits: Bits) -> tuple[int, int, int, int]:
    """Read a sequence's profile, whether its header is a reduced one, and the largest width and height of a frame."""
    sequence = bits.read(3)
    bits.skip(1)
    reduced = bits.read(1)
    if reduced:
        bits.skip(5)
    else:
        _skip_operating_points(bits)
    width, height = bits.read(4) + 1, bits.read(4) + 1
    return sequence, reduced, bits.read(width) + 1, bits.read(height) + 1


def _colours(bits: Bits) -> Coding:
    sequence, reduced, _, _ = _begin(bits)
    if not reduced and bits.read(1):  # numbers of frames
        bits.skip(7)
    bits.skip(3)
    if not reduced:
        _skip_tools(bits)
    bits.skip(3)
    if bits.read(1) and sequence == 2:  # noqa: PLR2004 -- more than 8 bits, in the profile that has 12 of them
        bits.skip(1)
    grey = sequence != 1 and bits.read(1)
    primaries, transfer, matrix = (
        (bits.read(8), bits.read(8), bits.read(8)) if bits.read(1) else (UNSPECIFIED, UNSPECIFIED, UNSPECIFIED)
    )
    is_rgb = not grey and (primaries, transfer, matrix) == (1, 13, 0)  # sRGB itself, which has no limited range
    return Coding(primaries, transfer, limited=not is_rgb and not bits.read(1))


def _skip_operating_points(bits: Bits) -> None:
    delay = 0
    has_model = False
    if bits.read(1):  # timing
        bits.skip(64)
        if bits.read(1):
            bits.exponential()
        has_model = bool(bits.read(1))
        if has_model:
            delay = bits.read(5) + 1
            bits.skip(42)
    has_delay = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.skip(12)
        bits.skip(bits.read(5) > 7)  # noqa: PLR2004 -- from this level on there are two tiers
        if has_model and bits.read(1):
            bits.skip(2 * delay + 1)
        if has_delay and bits.read(1):
            bits.skip(4)


def _skip_tools(bits: Bits) -> None:
    bits.skip(4)
    has_order = bits.read(1)
    bits.skip(2 * has_order)
    screen = 2 if bits.read(1) else bits.read(1)
    if screen and not bits.read(1):
        bits.skip(1)
    bits.skip(3 * has_order)
