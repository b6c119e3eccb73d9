"""JPEG XL: where the codestream is, and what its header says (ISO 18181-1, 18181-2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lambda_resize.containers import boxes
from lambda_resize.containers.cicp import Coding
from lambda_resize.errors import Corrupt, Unsupported

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_WHOLE, _PIECE = b"jxlc", b"jxlp"
_INDEX = 4  # bytes of a piece's number
_HEADER_BYTES = 4_096  # names of channels are the longest part
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_MAX_CHANNELS = 16  # besides the colours: each is decoded; editors write one for each mask
_ALPHA, _SPOT, _CFA = 0, 2, 5  # kinds of channels
_GREY, _XYB = 1, 2  # kinds of colours
_D65, _CUSTOM = 1, 2  # of a white point; of that, and of primaries
_SRGB = 13  # a curve

# The distributions of numbers (18181-1, B.2): each is a constant, or a base and a number of bits.
_SIDE = ((1, 9), (1, 13), (1, 18), (1, 30))
_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
_CHANNELS = ((0, 0), (1, 0), (2, 4), (1, 12))
_SHIFT = ((0, 0), (3, 0), (4, 0), (1, 3))
_NAME = ((0, 0), (0, 4), (16, 5), (48, 10))
_CFA_NUMBER = ((1, 0), (0, 2), (3, 4), (19, 8))
_BITS, _FLOAT_BITS = ((8, 0), (10, 0), (12, 0), (1, 6)), ((32, 0), (16, 0), (24, 0), (1, 6))
_PREVIEW_BY_8, _PREVIEW = ((16, 0), (32, 0), (1, 5), (33, 9)), ((1, 6), (65, 8), (321, 10), (1345, 12))
_PLACE = ((0, 19), (524_288, 19), (1_048_576, 20), (2_097_152, 21))

_Choices = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Header:
    """What a codestream says of its picture.

    Attributes:
        width: Of the picture, in pixels, as stored; its decoder turns it upright.
        height: Likewise.
        is_grey: Whether it has no colours.
        coding: Its colours; None where they are described by a profile, or in figures.
    """

    width: int
    height: int
    is_grey: bool
    coding: Coding | None


def checked(data: bytes, _max_frame_pixels: int) -> bytes:
    """Return the file.

    How many frames make up a still picture shows only while it is decoded, in a process with limits of its own.

    Raises:
        TooLarge: See `bounds`.
        Corrupt: It has no codestream.
        Unsupported: It moves, or has more channels than are followed here.
    """
    header(codestream(data))
    return data


def codestream(data: bytes) -> bytes:
    """Return the picture alone, without boxes, and so without the JPEG that it may have been. Raises `Corrupt`."""
    if data.startswith(CODESTREAM):
        return data
    pieces: list[memoryview] = []
    for name, content in boxes.children(memoryview(data)):
        if name == _WHOLE:
            return bytes(content)
        if name == _PIECE:
            if int.from_bytes(content[:_INDEX]) & 0x7FFF_FFFF != len(pieces):
                raise Corrupt("jxl: its pieces are not in order")
            pieces.append(content[_INDEX:])
    if not pieces:
        raise Corrupt("jxl: it has no picture")
    return b"".join(pieces)


def metadata(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the content of each box beside the codestream, such as `Exif` and `xml `."""
    if data.startswith(CONTAINER):
        for name, content in boxes.children(memoryview(data)):
            if name in {b"Exif", b"xml "}:
                yield name, bytes(content)


def header(data: bytes) -> Header:
    """Read a codestream's header. Raises `Corrupt`, `Unsupported`."""
    bits = _Bits(data[:_HEADER_BYTES])
    if bits.read(16) != int.from_bytes(CODESTREAM, "little"):
        raise Corrupt("jxl: no codestream")
    width, height = _size(bits)
    if bits.read(1):
        found = Header(width, height, is_grey=False, coding=Coding(1, _SRGB))
    else:
        _skip_extra_fields(bits)
        _skip_depth(bits)
        bits.read(1)
        _skip_channels(bits)
        bits.read(1)
        grey, coding = _colours(bits)
        found = Header(width, height, grey, coding)
    if bits.ended:
        raise Corrupt("jxl: its header ends early")
    return found


class _Bits:
    """Reads numbers, their lowest bit first; behind the end are zeros."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    @property
    def ended(self) -> bool:
        """Whether more bits were read than there are."""
        return self._left < 0

    def read(self, count: int) -> int:
        """Return the next `count` bits."""
        value = self._number & ((1 << count) - 1)
        self._number >>= count
        self._left -= count
        return value

    def one_of(self, choices: _Choices) -> int:
        """Return a number of one of four distributions."""
        base, count = choices[self.read(2)]
        return base + self.read(count)


def _size(bits: _Bits, by_8: _Choices = (), any_side: _Choices = _SIDE) -> tuple[int, int]:
    is_by_8 = bits.read(1)

    def side() -> int:
        if not is_by_8:
            return bits.one_of(any_side)
        return 8 * (bits.one_of(by_8) if by_8 else 1 + bits.read(5))

    height = side()
    ratio = bits.read(3)
    if not ratio:
        return side(), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _skip_extra_fields(bits: _Bits) -> None:
    """Pass orientation, which its decoder applies, and what else few files have. Raises `Unsupported`."""
    if not bits.read(1):
        return
    bits.read(3)
    if bits.read(1):  # a size that is meant for displays
        _size(bits)
    if bits.read(1):
        _size(bits, _PREVIEW_BY_8, _PREVIEW)
    if bits.read(1):
        raise Unsupported("jxl: it moves")


def _skip_depth(bits: _Bits) -> None:
    if bits.read(1):
        bits.one_of(_FLOAT_BITS)
        bits.read(4)
    else:
        bits.one_of(_BITS)


def _skip_channels(bits: _Bits) -> None:
    count = bits.one_of(_CHANNELS)
    if count > _MAX_CHANNELS:
        raise Unsupported(f"jxl: {count} channels besides the colours")
    for _ in range(count):
        if bits.read(1):
            continue
        kind = bits.one_of(_ENUM)
        _skip_depth(bits)
        bits.one_of(_SHIFT)
        bits.read(8 * bits.one_of(_NAME))
        if kind == _ALPHA:
            bits.read(1)
        elif kind == _SPOT:
            bits.read(4 * 16)
        elif kind == _CFA:
            bits.one_of(_CFA_NUMBER)


def _colours(bits: _Bits) -> tuple[bool, Coding | None]:
    """Return whether the picture is grey, and its colours where code points describe them."""
    if bits.read(1):
        return False, Coding(1, _SRGB)
    has_profile, kind = bits.read(1), bits.one_of(_ENUM)
    if has_profile or kind == _XYB:
        return kind == _GREY, None
    white = bits.one_of(_ENUM)
    if white == _CUSTOM:
        _skip_place(bits)
    primaries = 1 if kind == _GREY else bits.one_of(_ENUM)
    if primaries == _CUSTOM:
        for _ in range(3):
            _skip_place(bits)
    has_gamma = bits.read(1)
    curve = bits.read(24) if has_gamma else bits.one_of(_ENUM)
    if has_gamma or white != _D65 or primaries == _CUSTOM:
        return kind == _GREY, None
    # 11 are P3's with the white point of D65, which H.273 numbers 12; the others have its numbers.
    return kind == _GREY, Coding(12 if primaries == 11 else primaries, curve)  # noqa: PLR2004 -- of a code point


def _skip_place(bits: _Bits) -> None:
    bits.one_of(_PLACE)
    bits.one_of(_PLACE)
