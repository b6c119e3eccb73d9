"""Grammars of WebP, TIFF, AVIF and HEIC."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

from PIL import Image

from tests.fuzz.chance import Chance
from tests.fuzz.rasters import jpeg, profile, sides, zeros
from tests.lambda_resize import raws
from tests.lambda_resize.hostile import heifs
from tests.lambda_resize.hostile.heifs import Part

_CODED = (64, 512, 2048)


@cache
def _webp_pixels(side: int, *, lossless: bool) -> bytes:
    still = io.BytesIO()
    Image.new("RGB", (side, side)).save(still, "WEBP", lossless=lossless)
    return still.getvalue()[12:]


def webp(chance: Chance) -> bytes:
    """Return a WebP: a canvas, frames, and other chunks."""
    width, height = sides(chance, 16_383)
    parts = b"VP8X" + struct.pack("<I", 10) + bytes([chance.one((2, 2, 0, 0x3E)), 0, 0, 0])
    parts += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    if chance.once_in(6):
        parts += _chunk(b"ICCP", profile(chance))
    parts += _chunk(b"ANIM", bytes(6))
    for _ in range(chance.number(1, 3)):
        side = chance.one((1, 64, 1000, 4000))
        pixels = _webp_pixels(side, lossless=chance.once_in(2))
        at = sides(chance, 1000)
        place = b"".join(each.to_bytes(3, "little") for each in (*at, side - 1, side - 1, chance.number(0, 100)))
        frame = _chunk(b"ANMF", place + bytes([chance.number(0, 3)]) + pixels)
        parts += frame * chance.number(1, 6_000 if side == 1 else 100)
    parts += _chunk(chance.one((b"EXIF", b"XMP ", b"junk")), bytes(chance.number(0, 50))) * chance.number(0, 3_000)
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WEBP" + parts


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def tiff(chance: Chance) -> bytes:
    """Return a TIFF: strips or tiles that share one packed piece of zeros, and pages of the same."""
    width, height = sides(chance, 12_000)
    channels, bits = chance.one((1, 3, 4)), chance.one((1, 8, 8, 16, 32))
    packing = chance.one((1, 8, 8, 32946, 5, 32773, 7, 50000))
    piece = zeros(chance.number(1, 50_000_000)) if packing in {8, 32946} else bytes(chance.number(1, 60_000))
    tiled = chance.once_in(2)
    rows, side = chance.number(1, height), 16 * chance.number(1, 1_000)
    count = min(-(-width // side) * -(-height // side) if tiled else -(-height // rows), 20_000)
    first = 8 + len(piece)
    arrays = struct.pack(f"<{count}I", *[8] * count) + struct.pack(f"<{count}I", *[len(piece)] * count)
    places = (first, first + 4 * count) if count > 1 else (8, len(piece))
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, bits), (259, 3, 1, packing),
        (262, 3, 1, 1 if channels == 1 else 2), (277, 3, 1, channels), (317, 3, 1, chance.one((1, 1, 2, 3))),
        (284, 3, 1, chance.one((1, 1, 2))), (339, 3, 1, chance.one((1, 3)) if bits >= 16 else 1),
    ]  # fmt: skip
    entries += (
        [(322, 4, 1, side), (323, 4, 1, side), (324, 4, count, places[0]), (325, 4, count, places[1])]
        if tiled
        else [(273, 4, count, places[0]), (278, 4, 1, rows), (279, 4, count, places[1])]
    )
    at, table = first + len(arrays), b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    size, pages = 6 + len(table), chance.number(1, 3_000)
    directories = b"".join(
        struct.pack("<H", len(entries)) + table + struct.pack("<I", at + (page + 1) * size if page + 1 < pages else 0)
        for page in range(pages)
    )
    return b"II*\0" + struct.pack("<I", at) + piece + arrays + directories


def heif(chance: Chance) -> bytes:
    """Return an AVIF or HEIC: items that are made of others, with others as their alpha."""
    kind = chance.one((b"av01", b"hvc1"))
    coded = []
    for _ in range(chance.number(1, 3)):
        side = chance.one(_CODED)
        data, properties = heifs.coded(side, side, kind=kind)
        size = (side, side) if not chance.once_in(6) else sides(chance, 20_000)
        if kind == b"av01" and chance.once_in(4):
            properties = (heifs.box(b"av1C", properties[0][8:], data * chance.number(0, 120)), *properties[1:])
        if chance.once_in(8):
            properties = (*properties, heifs.extent(*sides(chance)))
        coded.append(Part(kind, size, data * chance.number(1, 120), properties))
    derived = [_derived(chance, number, coded) for number in range(1, 1 + chance.number(0, 3))]
    parts = [*derived, *coded]
    number = chance.number(1, 300 if chance.once_in(5) else 1)
    alpha = [
        Part(
            kind, coded[-1].size, b"", coded[-1].properties, belongs_to=chance.number(1, len(parts)), shares=len(parts)
        )
    ]
    again = chance.one(((), (), (), (heifs.full(b"iref"),), (heifs.full(b"pitm", b"\0\2"),)))
    brand = b"avif" if kind == b"av01" else b"heic"
    return heifs.heif([*parts, *alpha * number * chance.once_in(2)], brand, again=again)


def _derived(chance: Chance, number: int, coded: list[Part]) -> Part:
    canvas = sides(chance, 9_000)
    across, down = chance.number(1, 30), chance.number(1, 30)
    tile = coded[0].size
    if chance.once_in(2):
        canvas = (min(65_535, across * tile[0]), min(65_535, down * tile[1]))
    kind = chance.one((b"grid", b"grid", b"iden", b"iovl"))
    content = {
        b"grid": heifs.grid(down, across, canvas),
        b"iovl": struct.pack(">BB4HHH", 0, 0, 0, 0, 0, 0, *canvas) + bytes(4 * across * down),
    }.get(kind, b"")
    targets = [number + 1 + index % chance.one((1, 3)) for index in range(across * down)]
    return Part(kind, canvas, content, made_of=targets if kind != b"iden" else targets[:1])


def packed(data: bytes) -> bytes:
    """Return data as gzip does it."""
    return zlib.compress(data, 9, 31)


def camera(chance: Chance) -> bytes:
    """Return a RAW file: JPEGs, many or few, among zeros, and directories that point at each other, or at nothing."""
    piece = jpeg(chance)
    data = (b"\xff\xd8\xff" * chance.number(0, 3_000) + piece + bytes(chance.number(0, 5_000))) * chance.number(1, 20)
    tags = {
        raws.WIDTH: (raws.LONG, [chance.number(1, 100_000)]),
        raws.HEIGHT: (raws.LONG, [chance.number(1, 100_000)]),
        raws.ORIENTATION: (raws.SHORT, [chance.number(0, 9)]),
        raws.INSIDE: (raws.LONG, [chance.number(0, len(data)) for _ in range(chance.number(1, 12))]),
    }
    if chance.once_in(2):
        return raws.canon(data, chance.number(1, 100_000), chance.number(1, 100_000), chance.number(0, 9))
    return raws.raw(data, [tags] * chance.number(1, 2_500), magic=b"RO")
