"""The boxes of HEIC and AVIF (ISO 14496-12), and of each item what decoding needs (ISO 23008-12)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lambda_resize.containers import bounds
from lambda_resize.errors import Corrupt

# Boxes that may be in another only once. Of several, this code and a decoder might read different ones.
_ONCE = frozenset({b"pitm", b"iinf", b"iloc", b"iprp", b"iref", b"idat", b"ipco"})
# Likewise of an item. Its turns and clippings would each take as long as decoding it.
_ONCE_OF_AN_ITEM = frozenset({b"ispe", b"av1C", b"hvcC", b"irot", b"imir", b"clap", b"iscl"})
_PLAIN = 8  # a header: size and name
_WIDE = 16  # with a size of 64 bits


@dataclass(frozen=True)
class Item:
    """One item of a file, such as a tile, a grid, or the EXIF data.

    Attributes:
        kind: Of its coding, such as `av01`, or `grid`.
        properties: The boxes that are associated with it, by name; of several with one name the last.
        extents: Where its bytes are.
    """

    kind: bytes = b""
    properties: dict[bytes, memoryview] = field(default_factory=dict)
    extents: tuple[Extent, ...] = ()


class Extent(NamedTuple):
    """A piece of an item: of the file, or of the box `idat`."""

    at: int
    length: int
    inside: bool


class Cursor:
    """Reads big-endian numbers in turn; beyond the end they are zero."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def number(self, size: int) -> int:
        """Return the next `size` bytes as a number."""
        self._at += size
        return int.from_bytes(self._data[self._at - size : self._at])

    def __bool__(self) -> bool:
        return self._at < len(self._data)


def children(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the name and the content of each box."""
    at = count = 0
    while at + _PLAIN <= len(data):
        count += 1
        bounds.check_parts("HEIF boxes", count)
        size, name, header = int.from_bytes(data[at : at + 4]), bytes(data[at + 4 : at + 8]), _PLAIN
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16]), _WIDE
        end = at + size if size else len(data)
        if end < at + header:
            return
        yield name, data[at + header : end]
        at = end


def parts(data: memoryview) -> dict[bytes, memoryview]:
    """Return the boxes by name. Raises `Corrupt` if one is there twice that may be there once."""
    found: dict[bytes, memoryview] = {}
    for name, content in children(data):
        if name in _ONCE and name in found:
            raise Corrupt(f"heif: {name.decode()} twice")
        found[name] = content
    return found


def kinds(content: memoryview) -> dict[int, bytes]:
    """Return the kind of each item, from `iinf`. Raises `Corrupt` if it says so twice."""
    found: dict[int, bytes] = {}
    for item, kind in places_of_kinds(content):
        _check_new(item, found)
        found[item] = bytes(kind)
    return found


def places_of_kinds(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield each item's number, and the four bytes that are its kind, from `iinf`."""
    version = content[0] if content else 0
    for name, entry in children(content[6 if version == 0 else 8 :]):
        if name == b"infe" and entry:
            wide = entry[0] > 2  # noqa: PLR2004 -- from version 3 on
            at = 10 if wide else 8
            yield int.from_bytes(entry[4 : at - 2]), entry[at : at + 4]


def _check_new(item: int, found: Collection[int]) -> None:
    if item in found:
        raise Corrupt(f"heif: item {item} twice")


def extents(content: memoryview) -> dict[int, tuple[Extent, ...]]:
    """Return where each item's bytes are, from `iloc`. Raises `Corrupt` if it says so twice."""
    cursor = Cursor(content)
    version = cursor.number(4) >> 24
    sizes = cursor.number(2)
    offset, length, base, index = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15 if version else 0
    wide = 4 if version > 1 else 2
    found: dict[int, tuple[Extent, ...]] = {}
    pieces = 0
    for place in range(cursor.number(wide)):
        bounds.check_parts("HEIF boxes", place)
        if not cursor:
            break
        item = cursor.number(wide)
        method = cursor.number(2) & 15 if version else 0
        cursor.number(2)
        start = cursor.number(base)
        own = []
        for _ in range(cursor.number(2)):
            pieces += 1
            bounds.check_parts("HEIF boxes", pieces)
            cursor.number(index)
            at = start + cursor.number(offset)
            own.append(Extent(at, cursor.number(length), inside=method == 1))
        _check_new(item, found)
        found[item] = tuple(own)
    return found


def references(content: memoryview) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
    """Yield kind, source and targets of each reference between items, from `iref`."""
    wide = 4 if content and content[0] else 2
    for name, entry in children(content[4:]):
        cursor = Cursor(entry)
        source = cursor.number(wide)
        count = min(cursor.number(2), len(entry) // wide)
        yield name, source, tuple(cursor.number(wide) for _ in range(count))


def properties(content: memoryview) -> dict[int, dict[bytes, memoryview]]:
    """Return the properties of each item, from `iprp`. Raises `Corrupt` if an item has two of `_ONCE_OF_AN_ITEM`."""
    declared = list(children(parts(content).get(b"ipco", memoryview(b""))))
    found: dict[int, dict[bytes, memoryview]] = {}
    for name, entry in children(content):
        if name != b"ipma":
            continue
        cursor = Cursor(entry)
        head = cursor.number(4)
        wide, many = 4 if head >> 24 else 2, head & 1
        for place in range(cursor.number(4)):
            bounds.check_parts("HEIF boxes", place)
            if not cursor:
                break
            own = found.setdefault(cursor.number(wide), {})
            for _ in range(cursor.number(1)):
                index = cursor.number(2) & 0x7FFF if many else cursor.number(1) & 0x7F
                if 0 < index <= len(declared):
                    kind, value = declared[index - 1]
                    if kind in _ONCE_OF_AN_ITEM and kind in own:
                        raise Corrupt(f"heif: {kind.decode()} twice for an item")
                    # Colours may be described twice: by a profile, and by code points.
                    own[kind + bytes(value[:4]) if kind == b"colr" else kind] = value
    return found
