"""TIFF: its reader visits each directory to count the pages, reads its values, and holds tiles and strips."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from lambda_resize.containers import bounds

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_BIG = 43  # the version of BigTIFF
_WIDTH, _HEIGHT, _BITS, _COLOURS, _CHANNELS, _ROWS, _PLANES = 256, 257, 258, 262, 277, 278, 284
_TILE = (322, 323)  # its width and height
_YCBCR, _SEPARATE = 6, 2  # values of _COLOURS and _PLANES
_BYTES_OF_A_PIXEL = 8  # of the largest frame: four channels of 16 bits


@dataclass(frozen=True)
class _Layout:
    """How numbers are written: TIFF with offsets of 4 bytes, BigTIFF of 8."""

    order: Literal["little", "big"]
    offset: int

    def number(self, data: bytes, at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], self.order)

    @property
    def count(self) -> int:
        """The size of a directory's number of entries."""
        return 8 if self.offset > 4 else 2  # noqa: PLR2004 -- BigTIFF's

    @property
    def entry(self) -> int:
        return 4 + 2 * self.offset


def checked(data: bytes, max_frame_pixels: int) -> bytes:
    """Return the file. Raises `TooLarge`, see `bounds`."""
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"
    layout = _Layout(order, 8 if int.from_bytes(data[2:4], order) == _BIG else 4)
    at, seen = layout.number(data, layout.offset, layout.offset), set[int]()
    entries = read = 0
    while at and at not in seen and at + layout.count <= len(data):
        seen.add(at)
        bounds.check_parts("TIFF directories", len(seen))
        first = at + layout.count
        count = min(layout.number(data, at, layout.count), (len(data) - first) // layout.entry)
        entries += count
        bounds.check_parts("TIFF entries", entries)
        starts = range(first, first + count * layout.entry, layout.entry)
        read += sum(_size(layout, data, start) for start in starts)
        if len(seen) == 1:
            held = _held(layout, data, starts)
            bounds.check_work("tiles or strips at once", held // _BYTES_OF_A_PIXEL, max_frame_pixels)
        at = layout.number(data, starts.stop, layout.offset)
    bounds.check_shared("TIFF entries", read, len(data))
    return data


def _size(layout: _Layout, data: bytes, entry: int) -> int:
    """Return how many bytes an entry's values take; 0 if there are not so many, which its reader notices."""
    size = _SIZES.get(layout.number(data, entry + 2, 2), 0) * layout.number(data, entry + 4, layout.offset)
    return size if size <= len(data) else 0


def _held(layout: _Layout, data: bytes, entries: range) -> int:
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
