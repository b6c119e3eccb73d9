"""Grammars of PNG, JPEG and GIF."""

from __future__ import annotations

import struct
import zlib

from tests.fuzz.chance import Chance
from tests.lambda_resize.hostile import profiles
from tests.lambda_resize.hostile.rasters import PNG, chunk

_MAX_BYTES = 4_000_000  # of pixels before they are packed, most of the time
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def sides(chance: Chance, largest: int = 65_535) -> tuple[int, int]:
    """Return a width and a height."""
    return chance.number(1, largest), chance.number(1, largest)


def profile(chance: Chance) -> bytes:
    """Return a colour profile."""
    return profiles.floating(chance.number(1, 20_000), chance.number(1, 16), chance.number(2, 5_000))


def zeros(size: int) -> bytes:
    """Return so many zeros, packed."""
    packer = zlib.compressobj(9)
    pieces = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*pieces, packer.compress(bytes(size % (1 << 20))), packer.flush()])


def png(chance: Chance) -> bytes:
    """Return a PNG: any header, any chunks in any order, pixels all black."""
    bits, colours = chance.one((1, 2, 4, 8, 8, 16)), chance.one(tuple(_CHANNELS))
    width, height = sides(chance, 20_000)
    interlaced = chance.once_in(2)
    size = min((1 + width * _CHANNELS[colours] * bits // 8) * height * (2 if interlaced else 1), 900_000_000)
    if size > _MAX_BYTES and not chance.once_in(6):
        height = max(1, height * _MAX_BYTES // size)
        size = _MAX_BYTES
    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(3 * 2 ** min(8, bits))) if colours == 3 else b""
    pixels = zeros(size)
    cut = chance.number(1, len(pixels))
    parts = [chunk(b"IDAT", pixels[:cut]), _png_extra(chance), chunk(b"IDAT", pixels[cut:])]
    between = parts if chance.once_in(8) else [_png_extra(chance), chunk(b"IDAT", pixels), _png_extra(chance)]
    return PNG + chunk(b"IHDR", header) + palette + b"".join(between) + chunk(b"IEND", b"")


def _png_extra(chance: Chance) -> bytes:
    made = b""
    for _ in range(chance.number(0, 3)):
        kind = chance.one((b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"eXIf", b"sPLT", b"hIST", b"tRNS", b"gAMA", b"fcTL"))
        content = {
            b"zTXt": lambda: b"a\0\0" + zeros(chance.number(1, 9_000_000)),
            b"iTXt": lambda: b"a\0\1\0\0\0" + zeros(chance.number(1, 9_000_000)),
            b"iCCP": lambda: b"a\0\0" + zlib.compress(profile(chance)),
        }.get(kind, lambda: bytes(chance.number(0, 2_000)))()
        made += chunk(kind, content) * chance.number(1, 1_500)
    return made


def segment(kind: int, content: bytes) -> bytes:
    """Return one segment of JPEG."""
    return bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content


def jpeg(chance: Chance) -> bytes:
    """Return a JPEG: any frame, any scans, tables of one short code."""
    width, height = sides(chance, 12_000)
    channels = chance.one((1, 3, 4))
    kind = chance.one((0xC0, 0xC1, 0xC2, 0xC2, 0xC2, 0xC9, 0xCA))
    frame = struct.pack(">BHHB", 8, height, width, channels)
    frame += b"".join(bytes([each, chance.one((0x11, 0x22, 0x21, 0x14, 0x44)), 0]) for each in range(1, channels + 1))
    one_code = bytes([1] + [0] * 15)
    tables = segment(0xDB, b"\0" + bytes([1] * 64)) + segment(0xC4, b"\0" + one_code + b"\0")
    tables += segment(0xC4, b"\x10" + one_code + chance.one((b"\0", b"\xe0", b"\xf0", b"\1")))
    if chance.once_in(4):
        tables += segment(0xDD, struct.pack(">H", chance.number(1, 65_535)))
    extra = segment(chance.number(0xE0, 0xEF), bytes(chance.number(0, 1_000))) * chance.number(0, 20_000)
    scans = b"".join(_scan(chance, channels, progressive=kind in {0xC2, 0xCA}) for _ in range(chance.number(1, 4)))
    return b"\xff\xd8" + extra * chance.once_in(8) + tables + segment(kind, frame) + scans + b"\xff\xd9"


def _scan(chance: Chance, channels: int, *, progressive: bool) -> bytes:
    if not progressive or chance.once_in(4):
        used = range(1, channels + 1)
        band = bytes([0, 0 if progressive else 63, chance.one((0, 0, 0x10, 0x01)) if progressive else 0])
    else:
        used = range(1, 2)
        band = bytes([1, 63, chance.one((0, 0x10, 0x21))])
    head = bytes([len(used)]) + b"".join(bytes([each, 0]) for each in used) + band
    return (segment(0xDA, head) + bytes(chance.number(0, 100_000))) * chance.number(1, 3_000)


def gif(chance: Chance) -> bytes:
    """Return a GIF: a screen, and frames of any size, hardly any of them with all of their pixels."""
    width, height = sides(chance, 20_000)
    blocks = (b"\x21" + chance.one((b"\xf9", b"\xfe", b"\xff", b"\1")) + b"\0\1a\0") * chance.once_in(6)
    for _ in range(chance.number(1, 4)):
        at, size = sides(chance, 1_000), sides(chance, 20_000)
        control = b"\x21\xf9\4" + bytes([chance.one((0, 4, 8, 12)), 0, 0, 0, 0])
        data = b"\2\x4c\1" * chance.number(0, 300) + b"\0"
        frame = b"\x2c" + struct.pack("<HHHHB", *at, *size, chance.one((0, 0x40, 0x87))) + b"\2" + data
        blocks += (control + frame) * chance.number(1, 12_000)
    blocks += (b"\x21\xfe" + b"\1a" * chance.number(0, 500) + b"\0") * chance.number(0, 2_000)
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + blocks + b"\x3b"
