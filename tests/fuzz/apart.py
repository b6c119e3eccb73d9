"""Grammars of what is decoded in a process of its own: JPEG XL and PDF."""

from __future__ import annotations

import struct
import zlib
from functools import cache

import pillow_jxl  # noqa: F401 -- with it Pillow writes JPEG XL
from PIL import Image

from lambda_resize.containers.jxl import CODESTREAM, CONTAINER
from tests.fuzz.chance import Chance
from tests.fuzz.rasters import sides
from tests.lambda_resize.hostile.heifs import box
from tests.lambda_resize.hostile.jxls import Bits
from tests.lambda_resize.pdfs import document, stream
from tests.lambda_resize.pictures import encode


@cache
def _coded(mode: str, side: int, *, lossless: bool) -> bytes:
    return encode(Image.new(mode, (side, side)), "JXL", lossless=lossless, effort=1)


def jxl(chance: Chance) -> bytes:
    """Return a JPEG XL: a header of its own before coded pictures of any size, or one with bytes changed; in boxes."""
    mode, side = chance.one(("L", "RGB", "RGBA")), chance.one((8, 300, 1000))
    coded = _coded(mode, side, lossless=chance.once_in(2))
    at = coded.find(CODESTREAM)
    data = bytearray(coded[at:])
    for _ in range(chance.number(0, 20)):
        data[int(chance.part() * len(data))] = chance.number(0, 255)
    if chance.once_in(2):
        data[: chance.number(2, 20)] = _header(chance)
    data += bytes(data[10:]) * chance.number(0, 200)
    if chance.once_in(2):
        return CODESTREAM + bytes(data[2:])
    count = chance.number(1, 2_000)
    pieces = [bytes(data[each::count]) for each in range(count)]
    numbers = [each | (each == count - 1) << 31 for each in range(count)]
    inside = [box(b"jxlp", struct.pack(">I", number) + each) for number, each in zip(numbers, pieces, strict=True)]
    return CONTAINER + box(b"jbrd", bytes(chance.number(0, 9_000))) * chance.number(0, 30) + b"".join(inside)


def _header(chance: Chance) -> bytes:
    width, height = sides(chance, 1 << 20)
    bits = Bits()
    bits.size(width, height)
    bits.write(chance.number(0, 1), 1)
    for _ in range(chance.number(0, 30)):
        bits.write(chance.number(0, 255), 8)
    return bits.data


def pdf(chance: Chance) -> bytes:
    """Return a PDF: a page that draws forms, which draw others, paths, patterns, and pictures of any size."""
    box_ = f"0 0 {chance.number(1, 20_000)} {chance.number(1, 20_000)}"
    levels = chance.number(0, 12)
    group = "/Group<</S/Transparency>>" * chance.once_in(2)
    side = chance.number(1, 30_000)
    picture = zlib.compress(bytes(min(side * side, 20_000_000)), 9)
    kind = "/Type/XObject/Subtype/Image/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/FlateDecode"
    further = [stream(picture, f"{kind}/Width {side}/Height {side}")]
    for level in range(levels):
        content = f"/X{level} Do ".encode() * chance.number(1, 40)
        uses = f"/Resources<</XObject<</X{level} {5 + level} 0 R>>>>"
        further.append(stream(content, f"/Type/XObject/Subtype/Form/BBox[{box_}]{group}{uses}"))
    state = f"/GS<</BM/{chance.one(('Normal', 'Luminosity', 'ColorDodge'))}/ca .5>>"
    uses = f"/Resources<</XObject<</X{levels} {5 + levels} 0 R>>/ExtGState<<{state}>>>>"
    drawn = b"/GS gs " + f"q {side} 0 0 {side} 0 0 cm /X{levels} Do Q ".encode() * chance.number(0, 200)
    drawn += chance.one((b"0 0 9999 9999 re f ", b"0 0 m 900 900 l 0 90 900 0 90 90 c S ", b"q ", b"W n "))
    return document(drawn * chance.number(1, 5_000), box_, uses, further)
