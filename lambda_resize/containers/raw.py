"""RAW files of cameras: the JPEG inside them that shows the picture. The sensor's own numbers are not developed.

Most are TIFF (CR2, NEF, ARW, PEF, SRW, DNG), whose directories say where JPEGs are. In the others (CR3, RAF, ORF, RW2)
they are found by their first bytes, and the largest is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lambda_resize.containers import bounds, tiff
from lambda_resize.containers.tiff import Layout
from lambda_resize.errors import Unsupported

_CR3 = b"ftypcrx "
_CR2 = slice(8, 10)
_WIDTH, _HEIGHT, _COMPRESSION, _COLOURS, _PLACES, _LENGTHS, _ORIENTATION = 256, 257, 259, 262, 273, 279, 274
_INSIDE, _JPEG_AT, _JPEG_LENGTH, _DNG = 330, 513, 514, 50706
_SENSOR = (2, 3)  # RW2's width and height
_OF_SENSORS = frozenset({32803, 34892})  # values of _COLOURS: behind a mosaic, and linear
_OF_CAMERAS = frozenset({34713, 32767, 65535, 32770})  # of _COMPRESSION: Nikon's, Sony's, Pentax's, Samsung's
_OF_JPEG = frozenset({6, 7})
_ORIENTATIONS = range(1, 9)
_RAF_SIZES = 92  # where the place of its list of sizes is
_RAF_SIZE = 0x0111
_START = b"\xff\xd8\xff"
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # that browsers show; the sensor's own numbers are often lossless JPEG
_MAX_SEGMENTS = 200  # before the frame
_MAX_JPEGS = 1_000


@dataclass(frozen=True)
class Embedded:
    """The largest JPEG of a RAW file.

    Attributes:
        start: Of its bytes.
        end: Likewise.
        width: Of the sensor's picture, in pixels, as stored; 0 if that is not known.
        height: Likewise.
        orientation: EXIF's, of the RAW file; None if only the JPEG may say it.
    """

    start: int
    end: int
    width: int
    height: int
    orientation: int | None


@dataclass(frozen=True)
class _Jpeg:
    start: int
    end: int
    pixels: int


def embedded(data: bytes, *, is_tiff: bool) -> Embedded | None:
    """Return the JPEG that shows the picture; None if the file is an ordinary TIFF.

    Raises:
        Unsupported: There is none.
        TooLarge: See `bounds`.
    """
    pages = list(_pages(data))
    if is_tiff and not any(page.is_sensors for page in pages) and data[_CR2] != b"CR":
        return None
    found = (each for page in pages for each in page.jpegs) if is_tiff else _searched(data)
    largest = max(found, key=lambda each: each.pixels, default=None)
    if largest is None:
        raise Unsupported("raw: it has no JPEG of its picture, only the sensor's numbers")
    sizes = [page.size for page in pages] + [_size_of_raf(data)]
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    orientation = next((page.orientation for page in pages), None)
    return Embedded(largest.start, largest.end, width, height, orientation if orientation in _ORIENTATIONS else None)


@dataclass(frozen=True)
class _Page:
    """What one directory says."""

    data: bytes
    layout: Layout
    entries: range

    def numbers(self, tag: int) -> list[int]:
        return [int(each) for each in tiff.numbers_of(self.layout, self.data, self.entries, tag)]

    @property
    def orientation(self) -> int | None:
        return next(iter(self.numbers(_ORIENTATION)), None)

    @property
    def is_sensors(self) -> bool:
        colours, packing = set(self.numbers(_COLOURS)), set(self.numbers(_COMPRESSION))
        return bool(colours & _OF_SENSORS or packing & _OF_CAMERAS or self.numbers(_DNG))

    @property
    def size(self) -> tuple[int, int]:
        width, height = (self.numbers(tag)[:1] or [0] for tag in (_WIDTH, _HEIGHT))
        if not width[0]:
            width, height = (self.numbers(tag)[:1] or [0] for tag in _SENSOR)
        return width[0], height[0]

    @property
    def jpegs(self) -> Iterator[_Jpeg]:
        """The JPEGs in one piece that the directory names."""
        places = [(self.numbers(_JPEG_AT), self.numbers(_JPEG_LENGTH))]
        if set(self.numbers(_COMPRESSION)) & _OF_JPEG:
            places.append((self.numbers(_PLACES), self.numbers(_LENGTHS)))
        for starts, lengths in places:
            if len(starts) == len(lengths) == 1 and (pixels := _pixels(self.data, starts[0])):
                yield _Jpeg(starts[0], starts[0] + lengths[0], pixels)


def _pages(data: bytes) -> Iterator[_Page]:
    """Yield the directories, with those inside them; of a CR3 those of its description."""
    start = data.find(b"CMT1") + 4 if data[4:12] == _CR3 else 0
    described = data[start:] if start else data
    if not described.startswith((b"II", b"MM")):
        return
    layout = tiff.layout_of(described)
    waiting: list[int | None] = [None]
    seen, entries_in_all = set[int](), 0
    while waiting:
        for entries in tiff.directories(layout, described, waiting.pop(0)):
            if entries.start in seen:
                break
            seen.add(entries.start)
            entries_in_all += len(entries)
            bounds.check_parts("TIFF directories", len(seen))
            bounds.check_parts("TIFF entries", entries_in_all)
            page = _Page(described, layout, entries)
            waiting += page.numbers(_INSIDE)
            yield page


def _searched(data: bytes) -> Iterator[_Jpeg]:
    at, count = data.find(_START, 1), 0
    while at >= 0:
        count += 1
        bounds.check_work("JPEGs in a RAW file", count, _MAX_JPEGS)
        if pixels := _pixels(data, at):
            yield _Jpeg(at, len(data), pixels)
        at = data.find(_START, at + 1)


def _pixels(data: bytes, start: int) -> int:
    """Return how many pixels the JPEG that starts there has; 0 if there is none that browsers show."""
    if data[start : start + 3] != _START:
        return 0
    at = start + 2
    for _ in range(_MAX_SEGMENTS):
        head = data[at : at + 9]
        if len(head) < 9 or head[0] != 0xFF:  # noqa: PLR2004 -- up to the width; a mark
            return 0
        if head[1] in _FRAMES:
            return int.from_bytes(head[5:7]) * int.from_bytes(head[7:9]) * (head[4] == 8)  # noqa: PLR2004 -- bits
        at += 2 + int.from_bytes(head[2:4])
    return 0


def _size_of_raf(data: bytes) -> tuple[int, int]:
    """Return the sensor's width and height of a Fujifilm file; zeros if it is none."""
    if not data.startswith(b"FUJI"):
        return 0, 0
    at = int.from_bytes(data[_RAF_SIZES : _RAF_SIZES + 4])
    count, at = int.from_bytes(data[at : at + 4]), at + 4
    for _ in range(min(count, 255)):
        if int.from_bytes(data[at : at + 2]) == _RAF_SIZE:
            return int.from_bytes(data[at + 6 : at + 8]), int.from_bytes(data[at + 4 : at + 6])
        at += 4 + int.from_bytes(data[at + 2 : at + 4])
    return 0, 0
