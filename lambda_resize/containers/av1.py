"""AV1 inside an AVIF item: its decoder decodes all frames, and returns one."""

from __future__ import annotations

from collections.abc import Iterator

from lambda_resize.containers import bounds

_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6  # types of units ("OBU")


def frames(data: bytes) -> int:
    """Return how many frames there are."""
    return sum(kind in {_FRAME_HEADER, _FRAME} for kind, _ in _units(data))


def profile(data: bytes) -> int:
    """Return the highest profile of its sequences: above 0, colours may have the full resolution (AV1, 6.4.1)."""
    return max((first >> 5 for kind, first in _units(data) if kind == _SEQUENCE), default=0)


def _units(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the type of each unit, and its first byte."""
    at = units = 0
    while at < len(data):
        units += 1
        bounds.check_parts("AV1 units", units)
        head = data[at]
        at += 2 if head & 4 else 1
        size, at = _leb128(data, at) if head & 2 else (len(data) - at, at)
        yield head >> 3 & 15, data[at] if at < len(data) else 0
        at += size


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of up to eight bytes, and where the next begins."""
    value = 0
    for index, byte in enumerate(data[at : at + 8]):
        value |= (byte & 127) << 7 * index
        if byte < 128:  # noqa: PLR2004 -- without the bit that says that more follow
            return value, at + index + 1
    return value, at + 8
