"""Hostile PNG, JPEG, GIF, WebP and TIFF."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return one chunk of PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int,
    height: int,
    extra: bytes = b"",
    *,
    after: bytes = b"",
    bits: int = 8,
    colours: int = 2,
    interlaced: bool = False,
) -> bytes:
    """Return a black PNG with further chunks before and after its pixels."""
    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, interlaced)
    row = 1 + width * {0: 1, 2: 3, 6: 4}[colours] * bits // 8
    packer = zlib.compressobj(9)
    pixels = bytearray()
    total = row * height + (16 * height if interlaced else 0)
    for _ in range(total >> 20):
        pixels += packer.compress(bytes(1 << 20))
    pixels += packer.compress(bytes(total % (1 << 20))) + packer.flush()
    return PNG + chunk(b"IHDR", header) + extra + chunk(b"IDAT", bytes(pixels)) + after + chunk(b"IEND", b"")


def png_header(width: int, height: int) -> bytes:
    """Return a PNG without its pixels."""
    return PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)) + chunk(b"IEND", b"")


def text(count: int, size: int = 7_900_000) -> bytes:
    """Return `count` chunks of text that inflate to `size` bytes each."""
    return chunk(b"zTXt", b"a\0\0" + zlib.compress(b"A" * size, 9)) * count


def png_text(count: int) -> bytes:
    """Return a PNG with text before its pixels."""
    return png(64, 64, text(count))


def profile_chunk(profile: bytes) -> bytes:
    """Return PNG's chunk of a colour profile."""
    return chunk(b"iCCP", b"a\0\0" + zlib.compress(profile, 9))


def png_profile(profile: bytes) -> bytes:
    """Return a PNG with a colour profile."""
    return png(64, 64, profile_chunk(profile))


def with_profile(file_format: str, profile: bytes) -> bytes:
    """Return a plain picture with a colour profile."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, file_format, icc_profile=profile)
    return buffer.getvalue()


def jpeg_scans(width: int, height: int, scans: int) -> bytes:
    """Return a grey progressive JPEG, in whose scans hardly anything changes."""
    frame = struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)
    tables = _segment(0xDB, b"\0" + bytes([1] * 64)) + _segment(0xC2, frame)
    # One code, of one bit: zero for DC; for AC "end of 2^14 blocks", which 14 further bits complete.
    codes = _segment(0xC4, b"\0" + bytes([1] + [0] * 15) + b"\0") + _segment(
        0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\xe0"
    )
    blocks = -(-width // 8) * -(-height // 8)
    first = _segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes(blocks // 8 + 1)
    runs = -(-blocks // (1 << 14))
    later = _segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + bytes(runs * 15 // 8 + 2)
    return b"\xff\xd8" + tables + codes + first + later * scans + b"\xff\xd9"


def jpeg_hidden_scans(width: int, height: int, scans: int) -> bytes:
    """Return a JPEG with restarts whose later scans are each within what looks like a segment.

    libjpeg, in search of a restart, skips a reserved marker and goes on at the next one, without regard to a length.
    """
    plain = jpeg_scans(width, height, 0)
    start = plain.index(b"\xff\xda")
    later = _segment(0xDA, bytes([1, 1, 0, 1, 63, 0]))
    hidden = _segment(0x02, later)
    first = _segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes(2)
    return plain[:start] + _segment(0xDD, struct.pack(">H", 64)) + first + hidden * scans + b"\xff\xd9"


def jpeg_markers(count: int) -> bytes:
    """Return a JPEG with many comments."""
    plain = saved("JPEG")
    return plain[:2] + _segment(0xE5, b"") * count + plain[2:]


def _segment(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content


def saved(file_format: str, size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    """Return a plain picture, with what Pillow is to write besides."""
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, file_format, **options)
    return buffer.getvalue()


def webp_frames(count: int, side: int = 64) -> bytes:
    """Return a clear WebP of `side` pixels a side, with animation frames of one pixel."""
    still = io.BytesIO()
    Image.new("RGB", (1, 1)).save(still, "WEBP", lossless=True)
    pixels = still.getvalue()[12:]
    frame = b"ANMF" + struct.pack("<I", 16 + len(pixels)) + bytes(16) + pixels
    parts = (
        b"VP8X" + struct.pack("<I", 10) + b"\x12\0\0\0" + (side - 1).to_bytes(3, "little") * 2
        + b"ANIM" + struct.pack("<I", 6) + bytes(6)
        + frame * count
    )  # fmt: skip
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WEBP" + parts


def gif_frames(count: int, side: int = 64) -> bytes:
    """Return a GIF with frames of one pixel on a canvas that they leave uncovered."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * count + b"\x3b"


def gif_hidden_frames(count: int) -> bytes:
    """Return a GIF with frames after an extension whose first block is empty, and which libnsgif reads on."""
    plain = gif_frames(count)
    at = plain.index(b"\x2c")
    return plain[:at] + b"\x21\xf9\0\1a\0" + plain[at:]


def jpeg_header(width: int, height: int) -> bytes:
    """Return a plain grey baseline JPEG, whose blocks are two bits each: as an honest one of one colour."""
    frame = struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)
    tables = _segment(0xDB, b"\0" + bytes([1] * 64)) + _segment(0xC0, frame)
    codes = b"".join(_segment(0xC4, kind + bytes([1] + [0] * 15) + b"\0") for kind in (b"\0", b"\x10"))
    blocks = -(-width // 8) * -(-height // 8)
    return (
        b"\xff\xd8" + tables + codes + _segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + bytes(blocks // 4 + 1) + b"\xff\xd9"
    )


def jpeg_2000(width: int, height: int) -> bytes:
    """Return a plain JPEG 2000."""
    return saved("JPEG2000", (width, height))


def bmp(width: int, height: int) -> bytes:
    """Return a BMP of run lengths that ends at once."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 2, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 14 + 40 + 1024 + 2, 0, 0, 14 + 40 + 1024) + head + bytes(1024) + b"\0\1"


def psd(width: int, height: int) -> bytes:
    """Return the header of a PSD, and no pixels."""
    return struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, height, width, 8, 3) + bytes(12) + b"\0\0"


def ico(picture: bytes) -> bytes:
    """Return an ICO that says that its picture is small."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 64, 64, 0, 0, 1, 32, len(picture), 22) + picture


def apng(count: int, side: int) -> bytes:
    """Return black frames of a side, in a PNG."""
    row = bytes(1 + side * 4)
    pixels = zlib.compress(row * side, 9)
    frames = bytearray()
    for number in range(count):
        place = struct.pack(">IIIIIHHBB", max(0, 2 * number - 1), side, side, 0, 0, 1, 10, 0, 0)
        frames += chunk(b"fcTL", place)
        frames += chunk(b"fdAT", struct.pack(">I", 2 * number) + pixels) if number else chunk(b"IDAT", pixels)
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    moving = chunk(b"acTL", struct.pack(">II", count, 0))
    return PNG + chunk(b"IHDR", header) + moving + bytes(frames) + chunk(b"IEND", b"")


def tiff_planes(side: int) -> bytes:
    """Return a TIFF of four planes of 16 bits, each in one strip, which all are the same bytes."""
    packed = zlib.compress(bytes(2 * side * side), 9)
    at = 8 + len(packed)
    arrays = struct.pack("<4I", *[8] * 4) + struct.pack("<4I", *[len(packed)] * 4)
    entries = [
        (256, 3, 1, side), (257, 3, 1, side), (258, 3, 1, 16), (259, 3, 1, 8), (262, 3, 1, 2), (273, 4, 4, at),
        (277, 3, 1, 4), (278, 4, 1, side), (279, 4, 4, at + 16), (284, 3, 1, 2), (338, 3, 1, 2),
    ]  # fmt: skip
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<I", at + len(arrays))
    return head + packed + arrays + struct.pack("<H", len(entries)) + table + bytes(4)


def tiff_tiles(width: int, height: int, side: int) -> bytes:
    """Return a TIFF of four channels of 16 bits in tiles, which all are the same bytes."""
    packed = zlib.compress(bytes(8 * side * side), 9)
    count, at = -(-width // side) * -(-height // side), 8 + len(packed)
    arrays = struct.pack(f"<{count}I", *[8] * count) + struct.pack(f"<{count}I", *[len(packed)] * count)
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 8), (262, 3, 1, 2), (277, 3, 1, 4),
        (322, 4, 1, side), (323, 4, 1, side), (324, 4, count, at), (325, 4, count, at + 4 * count), (338, 3, 1, 2),
    ]  # fmt: skip
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<I", at + len(arrays))
    return head + packed + arrays + struct.pack("<H", len(entries)) + table + bytes(4)


def tiff_directories(count: int, extra: Sequence[tuple[int, int, int, int]] = ()) -> bytes:
    """Return a TIFF of many pages of 8x8 pixels, all with the same pixels; `extra` are entries of each page."""
    entries = [
        (256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
        (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64),
    ]  # fmt: skip
    table = b"".join(struct.pack("<HHII", *entry) for entry in sorted([*entries, *extra]))
    size = 2 + len(table) + 4
    first = 8 + 64
    pages = []
    for index in range(count):
        after = first + (index + 1) * size if index + 1 < count else 0
        pages.append(struct.pack("<H", len(table) // 12) + table + struct.pack("<I", after))
    return b"II*\0" + struct.pack("<I", first) + bytes(64) + b"".join(pages)
