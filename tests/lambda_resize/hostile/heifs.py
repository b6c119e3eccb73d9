"""Hostile AVIF and HEIC: items that claim one size and have another, and that are used many times."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import pillow_heif
from PIL import Image

from lambda_resize.containers import boxes
from lambda_resize.containers.boxes import Item

ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"


@dataclass(frozen=True)
class Part:
    """One item to be written: its number is its place in the list, from 1 on.

    Attributes:
        kind: Of its coding.
        size: What it claims to be, nothing if it is 0.
        data: Its bytes; those of `Part.shares` if that is not 0.
        properties: Further boxes.
        made_of: Numbers of the items that it is made of.
        belongs_to: Number of the item whose alpha it is.
        shares: Number of the item whose bytes it has.
    """

    kind: bytes
    size: tuple[int, int]
    data: bytes = b""
    properties: tuple[bytes, ...] = ()
    made_of: Sequence[int] = ()
    belongs_to: int = 0
    shares: int = 0


def box(name: bytes, *content: bytes) -> bytes:
    """Return one box."""
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + name + body


def full(name: bytes, *content: bytes, version: int = 0) -> bytes:
    """Return one box with a version."""
    return box(name, struct.pack(">I", version << 24), *content)


def extent(width: int, height: int) -> bytes:
    """Return the box of a picture's size."""
    return full(b"ispe", struct.pack(">II", width, height))


@cache
def coded(width: int, height: int, *, kind: bytes = b"av01", chroma: int = 420) -> tuple[bytes, tuple[bytes, ...]]:
    """Return a picture in one colour, as AV1 or HEVC: its bytes, and the properties that decoding needs."""
    buffer = io.BytesIO()
    image = Image.new("RGB", (width, height), "red")
    if kind == b"av01":
        image.save(buffer, "AVIF", quality=10, speed=10, subsampling=":".join(str(chroma)))
    else:
        pillow_heif.from_pillow(image).save(buffer, quality=10, chroma=chroma)
    file = memoryview(buffer.getvalue())
    parts = dict(boxes.children(dict(boxes.children(file))[b"meta"][4:]))
    number = int.from_bytes(parts[b"pitm"][4:6])
    item = Item(b"", boxes.properties(parts[b"iprp"])[number], boxes.extents(parts[b"iloc"])[number])
    data = b"".join(bytes(file[each.at : each.at + each.length]) for each in item.extents)
    kept = (b"av1C", b"hvcC", b"pixi", b"colr")
    return data, tuple(box(name, bytes(item.properties[name])) for name in kept if name in item.properties)


def heif(parts: Sequence[Part], brand: bytes = b"avif", *, again: Sequence[bytes] = ()) -> bytes:
    """Return a file; its first part is the primary item. `again` are boxes that follow those of the same names."""
    head = box(b"ftyp", brand, bytes(4), b"mif1", brand, b"miaf")
    size = len(head) + len(_meta(parts, 0, again))
    return head + _meta(parts, size + 8, again) + box(b"mdat", *(part.data for part in parts))


def _meta(parts: Sequence[Part], start: int, again: Sequence[bytes]) -> bytes:
    entries = b"".join(
        full(b"infe", struct.pack(">HH", number, 0), part.kind, b"\0", version=2)
        for number, part in enumerate(parts, 1)
    )
    return full(
        b"meta",
        full(b"hdlr", bytes(4), b"pict", bytes(13)),
        full(b"pitm", struct.pack(">H", 1)),
        full(b"iloc", b"\x44\0", struct.pack(">H", len(parts)), *_places(parts, start)),
        full(b"iinf", struct.pack(">H", len(parts)), entries),
        _properties(parts),
        full(b"iref", *_references(parts)),
        *again,
    )


def _places(parts: Sequence[Part], start: int) -> list[bytes]:
    places, at = [], start
    for part in parts:
        places.append((at, len(part.data)))
        at += len(part.data)
    found = [places[part.shares - 1] if part.shares else own for part, own in zip(parts, places, strict=True)]
    return [struct.pack(">HHHII", number, 0, 1, *place) for number, place in enumerate(found, 1)]


def _properties(parts: Sequence[Part]) -> bytes:
    declared: list[bytes] = []
    linked = []
    for number, part in enumerate(parts, 1):
        alpha = (full(b"auxC", ALPHA),) if part.belongs_to else ()
        own = (*((extent(*part.size),) if any(part.size) else ()), *part.properties, *alpha)
        declared += [each for each in own if each not in declared]
        index = bytes(0x80 | (declared.index(each) + 1) for each in own)
        linked.append(struct.pack(">HB", number, len(index)) + index)
    return box(b"iprp", box(b"ipco", *declared), full(b"ipma", struct.pack(">I", len(parts)), *linked))


def _references(parts: Sequence[Part]) -> list[bytes]:
    made = [(b"dimg", number, part.made_of) for number, part in enumerate(parts, 1) if part.made_of]
    alpha = [(b"auxl", number, (part.belongs_to,)) for number, part in enumerate(parts, 1) if part.belongs_to]
    return [
        box(kind, struct.pack(f">HH{len(targets)}H", number, len(targets), *targets))
        for kind, number, targets in made + alpha
    ]


def grid(rows: int, columns: int, canvas: tuple[int, int]) -> bytes:
    """Return what a grid's item has."""
    return struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *canvas)


def small_grid_of_large_tiles(side: int, count: int, *, kind: bytes = b"av01") -> bytes:
    """Return a picture of 64x64 pixels made of `count` squared tiles of `side` pixels, all with the same bytes."""
    data, properties = coded(side, side, kind=kind)
    tile = Part(kind, (side, side), data, properties)
    whole = Part(b"grid", (64, 64), grid(count, count, (64, 64)), made_of=[2] * count * count)
    return heif([whole, tile], b"avif" if kind == b"av01" else b"heic")


def tiled(width: int, height: int, side: int) -> bytes:
    """Return a HEIC as the largest phones write it: a grid of tiles of one side, all of the same bytes."""
    rows, columns = -(-height // side), -(-width // side)
    data, properties = coded(side, side, kind=b"hvc1")
    whole = Part(b"grid", (width, height), grid(rows, columns, (width, height)), made_of=range(2, 2 + rows * columns))
    return heif([whole, *[Part(b"hvc1", (side, side), data, properties)] * (rows * columns)], b"heic")


def moving(side: int, count: int) -> bytes:
    """Return an animated AVIF with transparency, of plain frames with colours at the full resolution."""
    frames = [Image.new("RGBA", (side, side), (number, 0, 200, 128)) for number in range(count)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "AVIF", save_all=True, append_images=frames[1:], speed=10, subsampling="4:4:4")
    return buffer.getvalue()


def large_alpha(side: int) -> bytes:
    """Return a picture of 64x64 pixels with an alpha of `side` pixels a side."""
    data, properties = coded(64, 64)
    alpha, alpha_properties = coded(side, side)
    return heif(
        [Part(b"av01", (64, 64), data, properties), Part(b"av01", (side, side), alpha, alpha_properties, belongs_to=1)]
    )


def plain(side: int) -> bytes:
    """Return a picture in one piece."""
    data, properties = coded(side, side)
    return heif([Part(b"av01", (side, side), data, properties)])


def lying(side: int, *, kind: bytes = b"av01") -> bytes:
    """Return a picture that claims 64x64 pixels and has `side` a side."""
    data, properties = coded(side, side, kind=kind)
    return heif([Part(kind, (64, 64), data, properties)], b"avif" if kind == b"av01" else b"heic")


def lying_colours(side: int, chroma: int) -> bytes:
    """Return a HEIC in one piece, whose `hvcC` says that its colours have half the resolution."""
    data, properties = coded(side, side, kind=b"hvc1", chroma=chroma)
    changed = [
        each[:24] + bytes([each[24] & ~3 | 1]) + each[25:] if each[4:8] == b"hvcC" else each for each in properties
    ]
    return heif([Part(b"hvc1", (side, side), data, tuple(changed))], b"heic")


def lying_colours_of_avif(side: int, chroma: int) -> bytes:
    """Return an AVIF in one piece, whose `av1C` says 8 bits and half the resolution of colours, and has no units."""
    data, properties = coded(side, side, chroma=chroma)
    header = bytes([0x81, 0, 0x0C, 0])
    changed = [box(b"av1C", header) if each[4:8] == b"av1C" else each for each in properties]
    return heif([Part(b"av01", (side, side), data, tuple(changed))])


def many_units(count: int, length: int) -> bytes:
    """Return a HEIC of that many units of no bytes, whose lengths take so many bytes."""
    _, properties = coded(64, 64, kind=b"hvc1")
    changed = [
        each[:29] + bytes([each[29] & ~3 | (length - 1)]) + each[30:] if each[4:8] == b"hvcC" else each
        for each in properties
    ]
    return heif([Part(b"hvc1", (64, 64), bytes(count * length), tuple(changed))], b"heic")


def shared_items(count: int, size: int) -> bytes:
    """Return a picture with `count` further items that all have the same `size` bytes."""
    data, properties = coded(64, 64)
    first = Part(b"mime", (64, 64), bytes(size))
    more = [Part(b"mime", (64, 64), shares=2) for _ in range(count - 1)]
    return heif([Part(b"av01", (64, 64), data, properties), first, *more])


def many_frames(side: int, count: int) -> bytes:
    """Return a picture whose item has `count` frames."""
    data, properties = coded(side, side)
    return heif([Part(b"av01", (side, side), data * count, properties)])


def frames_in_configuration(count: int) -> bytes:
    """Return a picture whose configuration has `count` frames."""
    data, (configuration, *others) = coded(1024, 1024)
    longer = box(b"av1C", configuration[8:], data * count)
    return heif([Part(b"av01", (1024, 1024), data, (longer, *others))])


def made_of_itself(levels: int) -> bytes:
    """Return a picture made of pictures made of pictures, each ten times."""
    data, properties = coded(64, 64)
    steps = [
        Part(b"grid", (64, 64), grid(1, 10, (64, 64)), made_of=[number + 1] * 10) for number in range(1, levels + 1)
    ]
    return heif([*steps, Part(b"av01", (64, 64), data, properties)])


def many_places(count: int) -> bytes:
    """Return a file that says `count` times where an item is, and which properties it has."""
    items = b"".join(struct.pack(">IHHH", number, 0, 0, 0) for number in range(count))
    places = full(b"iloc", b"\0\0", struct.pack(">I", count), items, version=2)
    properties = box(b"iprp", box(b"ipco"), full(b"ipma", struct.pack(">I", count), bytes(3 * count)))
    return box(b"ftyp", b"avif", bytes(4), b"mif1") + full(b"meta", full(b"pitm", b"\0\1"), places, properties)


def deep(width: int, height: int) -> Part:
    """Return an item of 10 bits a channel whose colours have the full resolution."""
    return Part(b"av01", (width, height), properties=(box(b"av1C", b"\x81\x20\x40\0"),))


def contradiction(name: str, side: int = 2048, count: int = 16) -> bytes:
    """Return a picture of large tiles that says one thing twice, secondly what is harmless; libheif reads the first."""
    data, properties = coded(side, side)
    small, small_properties = coded(64, 64)
    tile = Part(b"av01", (side, side), data, properties)
    whole = Part(b"grid", (64, 64), grid(count, count, (64, 64)), made_of=[2] * count * count)
    harmless = Part(b"av01", (64, 64), small, small_properties)
    if name == "ispe":
        return heif([whole, replace(tile, properties=(*properties, extent(64, 64)))])
    if name == "irot":
        return heif([replace(harmless, properties=(*small_properties, *[box(b"irot", b"\1")] * 200))])
    if name == "av1C":
        return heif([whole, replace(tile, properties=(*properties, *small_properties))])
    again = {
        "iref": full(b"iref"),
        "iprp": _properties([whole, replace(tile, size=(64, 64)), harmless]),
        "pitm": full(b"pitm", struct.pack(">H", 3)),
        "iloc": full(b"iloc", b"\x44\0", bytes(2)),
        "iinf": full(b"iinf", bytes(2)),
    }
    return heif([whole, tile, harmless], again=[again[name]])


def without_size(side: int) -> bytes:
    """Return a picture whose alpha does not say how large it is."""
    data, properties = coded(64, 64)
    alpha, alpha_properties = coded(side, side)
    return heif(
        [Part(b"av01", (64, 64), data, properties), Part(b"av01", (0, 0), alpha, alpha_properties, belongs_to=1)]
    )


def frames_inside(count: int) -> bytes:
    """Return a picture whose item has `count` frames, which are in `idat`, after as many zeros."""
    data, properties = coded(1024, 1024)
    stream = data * count
    place = struct.pack(">HHHHII", 1, 1, 0, 1, len(stream), len(stream))
    meta = full(
        b"meta",
        full(b"hdlr", bytes(4), b"pict", bytes(13)),
        full(b"pitm", struct.pack(">H", 1)),
        full(b"iloc", b"\x44\0", struct.pack(">H", 1), place, version=1),
        full(b"iinf", struct.pack(">H", 1), full(b"infe", struct.pack(">HH", 1, 0), b"av01", b"\0", version=2)),
        _properties([Part(b"av01", (1024, 1024), properties=properties)]),
        box(b"idat", bytes(len(stream)), stream),
    )
    return box(b"ftyp", b"avif", bytes(4), b"mif1", b"avif", b"miaf") + meta + box(b"mdat")
