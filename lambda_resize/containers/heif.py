"""HEIC and AVIF: a picture may be a grid of items, which are any size, and have an alpha of any size."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property

from lambda_resize.containers import av1, bounds, boxes, hevc
from lambda_resize.containers.boxes import Item
from lambda_resize.containers.cicp import Coding
from lambda_resize.errors import Corrupt, TooLarge, Unsupported

_DERIVED = frozenset({b"grid", b"iovl", b"iden"})
_DEPTH = 4  # of pictures made of pictures; phones have two levels
_AUXILIARIES = 2  # their pixels, as a multiple of their picture's: an alpha, a gain map, depth
_SMALL = 1_000_000  # pixels that any auxiliary may have
_SIZE, _AV1, _HEVC = b"ispe", b"av01", frozenset({b"hvc1", b"hev1"})
_COLOURS = b"colrnclx"
_AV1_CONFIGURATION, _HEVC_CONFIGURATION = b"av1C", b"hvcC"
_AV1_UNITS = 4  # where they begin in the configuration


def checked(data: bytes, max_frame_pixels: int) -> bytes:
    """Return the file.

    What libheif reads for the primary picture counts: each picture that it is made of as often as it is used, and those
    that belong to one, such as its alpha.

    Raises:
        TooLarge: See `bounds`.
        Unsupported: Its description is of a kind that is not followed here.
        Corrupt: It says something twice, or not how large a picture is, so its decoder might find another size.
    """
    for name, content in boxes.children(memoryview(data)):
        if name == b"mini":  # of 2024: bits that libheif expands to the boxes that are checked here
            raise Unsupported("heif: its description is minimised")
        if name == b"meta":
            _Pictures(data, content[4:]).check(max_frame_pixels)
    return data


def is_hevc(data: bytes) -> bool:
    """Whether the primary picture, or what it is made of, is HEVC: the picture is HEIC."""
    metas = [content for name, content in boxes.children(memoryview(data)) if name == b"meta"]
    return bool(metas) and _Pictures(data, metas[-1][4:]).coding in _HEVC


def coding(data: bytes) -> Coding:
    """Return what is said of the primary picture's colours: by its description, else by AV1 itself.

    libheif does not apply it, except that it brings colours, but not grey, into the full range.
    """
    metas = [content for name, content in boxes.children(memoryview(data)) if name == b"meta"]
    return _Pictures(data, metas[-1][4:]).colours if metas else Coding()


@dataclass(frozen=True)
class _Coded:
    """A picture as its decoder gets it: its description, then its bytes."""

    kind: bytes
    configuration: bytes
    data: bytes

    @property
    def frames(self) -> int:
        """How many frames are decoded: libheif puts the units of the configuration before the bytes."""
        if self.kind != _AV1:
            return 1
        return max(1, av1.frames(self.configuration[_AV1_UNITS:]) + av1.frames(self.data))

    @property
    def weight(self) -> int:
        """As how many a pixel counts: decoding one of HEVC takes 7 to 8 bytes, of AV1 15 to 18.

        If the colours have the full resolution, HEVC takes up to 15, AV1 21, and of more than 8 bits 24.
        """
        if self.kind == _AV1:
            flags = int.from_bytes(self.configuration[2:3])
            full = not flags & 0x0C
            # The coded picture says it too, and that is what its decoder believes.
            coded = max(av1.profile(self.configuration[_AV1_UNITS:]), av1.profile(self.data))
            return 2 + (full or coded > 0) + (full and flags & 0x40 > 0)
        return 2 if hevc.has_full_colours(self.configuration, self.data) else 1

    @property
    def is_grey(self) -> bool:
        """Whether it has no colours, by its configuration."""
        if self.kind == _AV1:
            return bool(int.from_bytes(self.configuration[2:3]) & 0x10)
        return len(self.configuration) > hevc.COLOURS_AT and not self.configuration[hevc.COLOURS_AT] & 3


class _Pictures:
    def __init__(self, data: bytes, meta: memoryview) -> None:
        self._data = data
        self._parts = boxes.parts(meta)
        self._made_of: dict[int, list[int]] = defaultdict(list)
        self._belong_to: dict[int, list[int]] = defaultdict(list)
        used = 0
        for kind, source, targets in boxes.references(self._part(b"iref")):
            used += len(targets)
            bounds.check_parts("HEIF references", used)
            if kind == b"dimg":
                self._made_of[source] += targets
            if kind == b"auxl":
                for target in targets:
                    self._belong_to[target].append(source)
        self._known: dict[int, int] = {}

    def check(self, max_frame_pixels: int) -> None:
        bounds.check_parts("HEIF items", len(self._items))
        read = sum(extent.length for item in self._items.values() for extent in item.extents)
        bounds.check_shared("HEIF items", read, len(self._data))
        primary = self._primary
        limit = int(bounds.TILES_OF_A_FRAME * max_frame_pixels)
        bounds.check_work("the items", self._pixels(primary, 0), limit)
        auxiliary = sum(self._pixels(each, 0) for each in self._belong_to[primary])
        largest = max(_SMALL, _AUXILIARIES * self._pixels(primary, 0))
        bounds.check_work("alpha and the like", auxiliary, min(largest, limit))

    @property
    def coding(self) -> bytes:
        """The kind of the primary item, or of the first that it is made of."""
        return self._items.get(self._first, Item()).kind

    @property
    def _first(self) -> int:
        number = self._primary
        for _ in range(_DEPTH):
            number = next(iter(self._made_of[number]), number)
        return number

    @property
    def colours(self) -> Coding:
        first = self._first
        item = self._items.get(first, Item())
        coded = self._coded(item)
        inside = av1.coding(coded.configuration[_AV1_UNITS:] + coded.data) if item.kind == _AV1 else None
        found = inside or Coding()
        described = self._items.get(self._primary, Item()).properties.get(_COLOURS) or item.properties.get(_COLOURS)
        if described is not None:
            primaries, transfer = int.from_bytes(described[4:6]), int.from_bytes(described[6:8])
            found = Coding(primaries, transfer, limited=not described[10:11] or not described[10] & 0x80)
        return replace(found, limited=found.limited and coded.is_grey)

    @property
    def _primary(self) -> int:
        content = self._part(b"pitm")
        return int.from_bytes(content[4:8] if content and content[0] else content[4:6])

    @cached_property
    def _items(self) -> dict[int, Item]:
        found, places = boxes.kinds(self._part(b"iinf")), boxes.extents(self._part(b"iloc"))
        properties = boxes.properties(self._part(b"iprp"))
        return {item: Item(kind, properties.get(item, {}), places.get(item, ())) for item, kind in found.items()}

    def _part(self, name: bytes) -> memoryview:
        return self._parts.get(name, memoryview(b""))

    def _pixels(self, number: int, depth: int) -> int:
        """Return how many pixels decoding an item takes, with all that it is made of."""
        if depth > _DEPTH:
            raise TooLarge("pictures that are made of one another too deeply")
        item = self._items.get(number, Item())
        if number not in self._known:
            parts = [*self._made_of[number], *(self._belong_to[number] if depth else ())]
            inside = sum(self._pixels(part, depth + 1) for part in parts)
            self._known[number] = inside + (0 if depth == 0 and item.kind in _DERIVED else self._own(item))
        return self._known[number]

    def _own(self, item: Item) -> int:
        """Return the pixels of an item's own frames; libheif itself refuses frames that are larger than it claims."""
        if not item.kind:  # none of the file
            return 0
        size = item.properties.get(_SIZE, memoryview(b""))
        width, height = int.from_bytes(size[4:8]), int.from_bytes(size[8:12])
        if not width * height:
            raise Corrupt("heif: a picture without its size")
        coded = self._coded(item)
        return width * height * coded.frames * coded.weight

    def _coded(self, item: Item) -> _Coded:
        name = _AV1_CONFIGURATION if item.kind == _AV1 else _HEVC_CONFIGURATION
        inside = self._part(b"idat")
        pieces = ((inside if each.inside else self._data)[each.at : each.at + each.length] for each in item.extents)
        return _Coded(item.kind, bytes(item.properties.get(name, memoryview(b""))), b"".join(pieces))
