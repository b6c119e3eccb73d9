"""Grammars of what Pillow decodes: BMP, ICO, JPEG 2000, PSD, and PNG and AVIF that move."""

from __future__ import annotations

import struct

from tests.fuzz.chance import Chance
from tests.fuzz.rasters import png, sides, zeros
from tests.lambda_resize.hostile import heifs, rarer
from tests.lambda_resize.hostile.heifs import box
from tests.lambda_resize.hostile.rasters import PNG, chunk

_CODES = (b"\0\0", b"\0\1", b"\0\2\xff\xff", b"\0\2\0\0", b"\1\1", b"\xff\1", b"\0\xff" + bytes(255), b"\0\3\1\2\3\0")
_SIDES = (16, 64, 512, 2_048)
_MAX_BYTES = 4_000_000


def bmp(chance: Chance) -> bytes:
    """Return a BMP: any size, run lengths, or hardly any of its pixels."""
    return b"BM" + bytes(8) + struct.pack("<I", 14 + 40 + 8) + _dib(chance)


def _dib(chance: Chance) -> bytes:
    width, height = sides(chance, 40_000)
    bits, compression = chance.one(((8, 1), (8, 1), (4, 2), (1, 0), (8, 0), (24, 0), (32, 0), (32, 3)))
    codes = b"".join(chance.one(_CODES) for _ in range(chance.number(1, 4))) * chance.number(1, 100_000)
    return rarer.dib(width, height, codes * chance.number(1, 20), bits=bits, compression=compression)


def ico(chance: Chance) -> bytes:
    """Return an ICO: a directory of pictures, each many times, of sizes that they may not have."""
    pictures = [png(chance) if chance.once_in(2) else _dib(chance) for _ in range(chance.number(1, 3))]
    side, bits = chance.number(1, 255), chance.one((0, 1, 4, 8, 24, 32))
    return rarer.ico(*pictures, times=chance.number(1, 20_000 if chance.once_in(4) else 10), side=side, bits=bits)


def jp2(chance: Chance) -> bytes:
    """Return JPEG 2000: few bytes of code, that declare tiles, blocks, precincts, layers and orders."""
    size = sides(chance, 12_000)
    tile = size if chance.once_in(2) else sides(chance, 2_000)
    channels, resolutions = chance.one((1, 3, 4, 4, 60)), chance.number(1, 33)
    precincts = [chance.number(0, 255) for _ in range(resolutions)] if chance.once_in(2) else []
    code = rarer.code_stream(
        size,
        tile,
        channels=channels,
        layers=chance.number(1, 65_535),
        block=chance.one(((4, 4), (64, 64), (4, 1024), (1024, 4))),
        precincts=precincts,
        resolutions=resolutions,
        progression=chance.number(0, 4),
        changes=chance.number(0, 31) * chance.once_in(3),
        extra=b"\xff\x64\0\4\0\0" * chance.number(0, 50_000) * chance.once_in(6),
        parts=min(65_535, chance.number(1, -(-size[0] // tile[0]) * -(-size[1] // tile[1]))),
        content=bytes([chance.number(0, 255)]) * chance.number(1, 5_000),
    )
    if chance.once_in(4):
        return code
    free = struct.pack(">I4s", 8, b"free") * chance.number(0, 50_000) * chance.once_in(6)
    declared = size if not chance.once_in(6) else sides(chance)
    return rarer.jp2(code, declared, min(channels, 4), extra=free, inside=box(b"res ", free))


def psd(chance: Chance) -> bytes:
    """Return a PSD: resources, layers, and rows that are packed, or missing."""
    width, height = sides(chance, 30_000)
    content = bytes(chance.number(0, 1_000))
    resource = b"8BIM" + struct.pack(">HHI", chance.one((1039, 2000)), 0, len(content)) + content
    layer = struct.pack(">iiiiHHI12xI", 0, 0, *sides(chance, 100_000)[::-1], 1, 0, 0, 0)
    count = chance.number(0, 3_000)
    layers = (
        struct.pack(">Ih", 2 + len(layer) * count, count) + layer * count + b"\0\1" + bytes(chance.number(0, 90_000))
    )
    row = b"\x81\0" * -(-width // 128) if chance.once_in(2) else b""
    rows = struct.pack(">H", 1) + struct.pack(">H", min(65_535, len(row))) * 3 * height + row * 3 * height
    return rarer.psd(
        width, height, resources=resource * chance.number(0, 30_000), layers=layers, pixels=rows[:20_000_000]
    )


def apng(chance: Chance) -> bytes:
    """Return a PNG that moves: frames of any size anywhere, with what becomes of each."""
    width, height = sides(chance, 6_000)
    number, kind = 0, b"IDAT"
    frames = bytearray()
    for _ in range(chance.number(1, 3)):
        across, down = chance.number(1, width), chance.number(1, height)
        pixels = zeros((1 + 4 * across) * down if chance.once_in(2) else chance.number(1, 50_000))
        ends = bytes([chance.number(0, 2), chance.number(0, 1)])
        for _ in range(chance.number(1, 40 if len(pixels) > 10_000 else 4_000)):
            frames += chunk(b"fcTL", struct.pack(">IIIIIHH", number, across, down, 0, 0, 1, 10) + ends)
            order = struct.pack(">I", number + 1) if kind == b"fdAT" else b""
            frames += chunk(kind, order + pixels)
            number, kind = number + 1 + bool(order), b"fdAT"
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, chance.once_in(4))
    count = chunk(b"acTL", struct.pack(">II", chance.one((number, 1, 2, 1_000_000)), 0))
    return PNG + chunk(b"IHDR", header) + count + bytes(frames) + chunk(b"IEND", b"")


def avis(chance: Chance) -> bytes:
    """Return a moving AVIF: samples of frames of any size, declared to be of another, that may share their bytes."""
    coded = [heifs.coded(side, side) for side in _SIDES]
    sample = b"".join(chance.one(coded)[0] * chance.number(1, 4) for _ in range(chance.number(1, 2)))
    sample += b"\x7a\0" * chance.number(0, 9_000) * chance.once_in(4)
    count = chance.number(1, 12_000)
    declared = sides(chance, 8_000) if chance.once_in(3) else (chance.one(_SIDES),) * 2
    exif = rarer.exif_of_numbers(chance.number(1, 2_000_000)) if chance.once_in(4) else b""
    shares = chance.once_in(2) or count * len(sample) > _MAX_BYTES
    return rarer.sequence(sample, count, declared, configuration=coded[0][1][0], shares=shares, exif=exif)
