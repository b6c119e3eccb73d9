"""TIFF: its reader visits each directory to count the pages, reads its values, and holds tiles and strips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lambda_resize.containers import bounds
from lambda_resize.errors import Unsupported

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_BIG = 43  # the version of BigTIFF
_WIDTH, _HEIGHT, _BITS, _COLOURS, _CHANNELS, _ROWS, _PLANES = 256, 257, 258, 262, 277, 278, 284
_TILE = (322, 323)  # its width and height
_YCBCR, _SEPARATE = 6, 2  # values of _COLOURS and _PLANES
_KIND, _OLD_KIND, _COMPRESSION, _EXTRA = 254, 255, 259, 338
_COEFFICIENTS, _SUBSAMPLING, _BLACK_WHITE = 529, 530, 532  # of YCbCr
_NOT_THE_PICTURE, _OLD_REDUCED = 1 | 4, 2  # bits of _KIND: a reduced page, a mask; a value of _OLD_KIND
_FRACTION = 5  # a type: two numbers of four bytes
_UNCOMPRESSED = 1  # a value of _COMPRESSION
_OF_JPEG = frozenset({6, 7})  # likewise, whose decoder returns RGB
# TIFF 6's defaults. Of its chroma 128 is zero; 255 is the most, and 1 the least.
_BT601, _FULL_RANGE = (0.299, 0.587, 0.114), (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)
_BYTES_OF_A_PIXEL = 8  # of the largest frame: four channels of 16 bits


@dataclass(frozen=True)
class Layout:
    """How numbers are written: TIFF with offsets of 4 bytes, BigTIFF of 8."""

    order: Literal["little", "big"]
    offset: int

    def number(self, data: bytes, at: int, size: int) -> int:
        """Return the number of so many bytes at a place."""
        return int.from_bytes(data[at : at + size], self.order)

    @property
    def count(self) -> int:
        """The size of a directory's number of entries."""
        return 8 if self.offset > 4 else 2  # noqa: PLR2004 -- BigTIFF's

    @property
    def entry(self) -> int:
        """The size of an entry."""
        return 4 + 2 * self.offset


@dataclass(frozen=True)
class Page:
    """The page that is shown, and what its decoder does not do by itself.

    Attributes:
        number: From 0.
        unspecified: How many channels follow the colours, where none of them is opacity ("ExtraSamples" are 0).
        luma: Where numbers are YCbCr, the parts of red, green and blue in Y; else None.
        black_white: Likewise, the numbers of black and white of Y, then of Cb and Cr.
    """

    number: int = 0
    unspecified: int = 0
    luma: tuple[float, float, float] | None = None
    black_white: tuple[float, ...] = ()


def checked(data: bytes, max_frame_pixels: int) -> bytes:
    """Return the file.

    Raises:
        TooLarge: See `bounds`.
        Unsupported: The page that is shown is a JPEG of the 1992 kind, whose tiles libtiff decodes to nothing.
    """
    layout = layout_of(data)
    entries = read = 0
    for count, starts in enumerate(directories(layout, data)):
        bounds.check_parts("TIFF directories", count + 1)
        entries += len(starts)
        bounds.check_parts("TIFF entries", entries)
        read += sum(_size(layout, data, start) for start in starts)
    bounds.check_shared("TIFF entries", read, len(data))
    _, shown = _shown(layout, data)
    if 6 in numbers_of(layout, data, shown, _COMPRESSION):  # noqa: PLR2004 -- TIFF 6's, which TIFF's JPEG replaces
        raise Unsupported("tiff: JPEG of the 1992 kind")
    bounds.check_work("tiles or strips at once", _held(layout, data, shown) // _BYTES_OF_A_PIXEL, max_frame_pixels)
    return data


def page(data: bytes) -> Page:
    """Return what is shown: the first page that is neither a reduced one nor a mask of another."""
    layout = layout_of(data)
    number, entries = _shown(layout, data)

    def numbers(tag: int) -> tuple[float, ...]:
        return tuple(numbers_of(layout, data, entries, tag))

    extra, compression, subsampling = numbers(_EXTRA), numbers(_COMPRESSION), numbers(_SUBSAMPLING) or (2, 2)
    plain = Page(number, 0 if any(extra) else len(extra))
    if numbers(_COLOURS) != (_YCBCR,) or set(subsampling) != {1} or set(compression) & _OF_JPEG:
        return plain  # libtiff converts what is YCbCr
    if _UNCOMPRESSED in compression:  # as Pillow does: those that say something else are BT.601 all the same
        return replace(plain, luma=_BT601, black_white=_FULL_RANGE)
    luma, black_white = numbers(_COEFFICIENTS), numbers(_BLACK_WHITE)
    red, green, blue = luma if len(luma) == len(_BT601) else _BT601
    black_white = black_white if len(black_white) == len(_FULL_RANGE) else _FULL_RANGE
    return replace(plain, luma=(red, green, blue), black_white=black_white)


def layout_of(data: bytes) -> Layout:
    """Return how a file's numbers are written, by its first bytes."""
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"
    return Layout(order, 8 if int.from_bytes(data[2:4], order) == _BIG else 4)


def directories(layout: Layout, data: bytes, first: int | None = None) -> Iterator[range]:
    """Yield where the entries of each directory begin: of the file's, or of those from `first` on."""
    at, seen = layout.number(data, layout.offset, layout.offset) if first is None else first, set[int]()
    while at and at not in seen and at + layout.count <= len(data):
        seen.add(at)
        first = at + layout.count
        count = min(layout.number(data, at, layout.count), (len(data) - first) // layout.entry)
        starts = range(first, first + count * layout.entry, layout.entry)
        yield starts
        at = layout.number(data, starts.stop, layout.offset)


def _shown(layout: Layout, data: bytes) -> tuple[int, range]:
    first = range(0)
    for number, entries in enumerate(directories(layout, data)):
        first = first if number else entries
        kinds = [int(kind) for kind in numbers_of(layout, data, entries, _KIND)]
        old = [*numbers_of(layout, data, entries, _OLD_KIND)]
        if not any(kind & _NOT_THE_PICTURE for kind in kinds) and _OLD_REDUCED not in old:
            return number, entries
    return 0, first


def numbers_of(layout: Layout, data: bytes, entries: range, tag: int) -> Iterator[float]:
    """Yield an entry's values; a dozen at most."""
    for entry in entries:
        if layout.number(data, entry, 2) != tag:
            continue
        kind, count = layout.number(data, entry + 2, 2), min(12, layout.number(data, entry + 4, layout.offset))
        size = _SIZES.get(kind, 0)
        at = entry + 4 + layout.offset
        if size * count > layout.offset:
            at = layout.number(data, at, layout.offset)
        for place in range(at, at + size * count, size or 1):
            if kind == _FRACTION:
                yield layout.number(data, place, 4) / (layout.number(data, place + 4, 4) or 1)
            else:
                yield layout.number(data, place, size)
        return


def _size(layout: Layout, data: bytes, entry: int) -> int:
    """Return how many bytes an entry's values take; 0 if there are not so many, which its reader notices."""
    size = _SIZES.get(layout.number(data, entry + 2, 2), 0) * layout.number(data, entry + 4, layout.offset)
    return size if size <= len(data) else 0


def _held(layout: Layout, data: bytes, entries: range) -> int:
    """Return the bytes that libvips holds: two rows of tiles, or a strip twice where it reads no single rows."""
    found: dict[int, set[int]] = defaultdict(set)  # of a tag that is there twice, libtiff uses the first
    for entry in entries:
        tag, count = layout.number(data, entry, 2), layout.number(data, entry + 4, layout.offset)
        width = _SIZES.get(layout.number(data, entry + 2, 2), 0)
        place = entry + 4 + layout.offset
        if width * count > layout.offset:
            place = layout.number(data, place, layout.offset)
        found[tag].add(layout.number(data, place, width))
    sizes = {tag: max(found[tag], default=0) for tag in (*_TILE, _WIDTH, _HEIGHT, _ROWS, _CHANNELS, _BITS)}
    across, height = sizes[_WIDTH], sizes[_HEIGHT]
    tile_width, tile_height = (sizes[tag] for tag in _TILE)
    if tile_width and tile_height:
        rows, across = min(2, -(-height // tile_height)) * tile_height, -(-across // tile_width) * tile_width
    elif _SEPARATE in found[_PLANES] or _YCBCR in found[_COLOURS]:
        rows = 2 * min(height, sizes[_ROWS] or height)
    else:
        rows = 0
    return rows * across * max(1, sizes[_CHANNELS]) * -(-max(1, sizes[_BITS]) // 8)
