"""Hostile BMP, ICO, JPEG 2000 and PSD, and moving AVIF."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.lambda_resize.hostile import heifs
from tests.lambda_resize.hostile.heifs import box, full

EVERY_WAY = (0xF1, 0x1F)  # precincts that are narrow, and flat: few of each, but all places are looked at


def dib(width: int, height: int, content: bytes, *, bits: int = 8, compression: int = 1) -> bytes:
    """Return a BMP without the header of its file: two colours, then the content."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(content), 0, 0, 2, 0)
    return head + b"\1\2\3\0\4\5\6\0" + content


def bmp_of_runs(width: int, height: int, content: bytes, bits: int = 8) -> bytes:
    """Return a BMP of these run lengths, of 8 or 4 bits."""
    inside = dib(width, height, content, bits=bits, compression=1 if bits > 4 else 2)
    return b"BM" + struct.pack("<IHHI", 14 + len(inside), 0, 0, 14 + 40 + 8) + inside


def ico(*pictures: bytes, times: int = 1, side: int = 64, bits: int = 8) -> bytes:
    """Return an ICO whose directory has each picture so many times, always as of the same side."""
    at, entries = 6 + 16 * times * len(pictures), b""
    for picture in pictures:
        entries += struct.pack("<BBBBHHII", side, side, 0, 0, 1, bits, len(picture), at) * times
        at += len(picture)
    return struct.pack("<HHH", 0, 1, times * len(pictures)) + entries + b"".join(pictures)


def psd(width: int, height: int, *, resources: bytes = b"", layers: bytes = b"", pixels: bytes = bytes(200)) -> bytes:
    """Return a PSD in three colours, whose sections are these."""
    head = struct.pack(">4sH6xHIIHHI", b"8BPS", 1, 3, height, width, 8, 3, 0)
    described = struct.pack(">I", len(layers)) + layers if layers else b""
    return (
        head
        + struct.pack(">I", len(resources)) + resources
        + struct.pack(">I", len(described)) + described
        + pixels
    )  # fmt: skip


def psd_resources(count: int) -> bytes:
    """Return a PSD with so many empty resources."""
    return psd(8, 8, resources=(b"8BIM" + struct.pack(">HHI", 2000, 0, 0)) * count)


def code_stream(
    size: tuple[int, int],
    tile: tuple[int, int] | None = None,
    *,
    channels: int = 3,
    layers: int = 1,
    block: tuple[int, int] = (64, 64),
    precincts: Sequence[int] = (),
    resolutions: int = 6,
    progression: int = 0,
    changes: int = 0,
    extra: bytes = b"",
    parts: int = 1,
    content: bytes = b"\0",
) -> bytes:
    """Return JPEG 2000's code of an empty picture.

    Args:
        size: In pixels.
        tile: Its size; none: all of the picture.
        channels: How many.
        layers: How many.
        block: The size of a code block in pixels.
        precincts: The exponents of the sides of each resolution's, from the smallest picture's on, in a byte.
        resolutions: How many, if no precincts are given.
        progression: The order of packets, 0 to 4.
        changes: How often it changes.
        extra: Further markers.
        parts: How many parts of tiles there are.
        content: The code of each.
    """
    coordinates = (*size, 0, 0, *(tile or size), 0, 0)
    siz = _marker(0x51, struct.pack(">H8IH", 0, *coordinates, channels), b"\7\1\1" * channels)
    levels = (len(precincts) or resolutions) - 1
    sides = (block[0].bit_length() - 3, block[1].bit_length() - 3)
    cod = _marker(0x52, struct.pack(">BBHB5B", bool(precincts), progression, layers, 0, levels, *sides, 0, 1))
    if precincts:
        cod = _marker(0x52, cod[4:], bytes(precincts))
    qcd = _marker(0x5C, b"\x40", b"\x48" * (3 * levels + 1))
    change = struct.pack(">BBHBBB", 0, 0, layers, levels + 1, min(255, channels), progression)
    poc = _marker(0x5F, change * changes) if changes else b""
    length = 14 + len(content)
    tiles = b"".join(
        _marker(0x90, struct.pack(">HIBB", number & 0xFFFF, length, 0, 1)) + b"\xff\x93" + content
        for number in range(parts)
    )
    return b"\xff\x4f" + siz + cod + qcd + poc + extra + tiles + b"\xff\xd9"


def _marker(kind: int, *content: bytes) -> bytes:
    body = b"".join(content)
    return bytes([0xFF, kind]) + struct.pack(">H", 2 + len(body)) + body


def jp2(code: bytes, size: tuple[int, int], channels: int = 3, *, extra: bytes = b"", inside: bytes = b"") -> bytes:
    """Return JPEG 2000 in boxes, which say these pixels and channels; further boxes come before, and inside theirs."""
    header = box(b"ihdr", struct.pack(">IIHBBBB", size[1], size[0], channels, 7, 7, 0, 0))
    colours = box(b"colr", b"\1\0\0", struct.pack(">I", 16))
    first = bytes.fromhex("0000000c6a5020200d0a870a") + box(b"ftyp", b"jp2 ", bytes(4), b"jp2 ")
    return first + extra + box(b"jp2h", header, colours, inside) + box(b"jp2c", code)


def sequence(
    sample: bytes,
    count: int,
    declared: tuple[int, int],
    *,
    configuration: bytes,
    shares: bool = False,
    exif: bytes = b"",
) -> bytes:
    """Return a moving AVIF.

    Args:
        sample: The bytes of each frame.
        count: How many frames there are.
        declared: Of how many pixels a frame is declared to be.
        configuration: The box that decoding needs, `av1C`.
        shares: Whether all are the same bytes of the file.
        exif: EXIF data.
    """
    head = box(b"ftyp", b"avis", bytes(4), b"avis", b"msf1")
    content = box(b"mdat", exif + sample * (1 if shares else count))
    first = len(head) + 8 + len(exif)
    places = [first + (0 if shares else number * len(sample)) for number in range(count)]
    entry = bytes(24) + struct.pack(">HH", *declared) + bytes(50)
    tables = box(
        b"stbl",
        full(b"stsd", struct.pack(">I", 1), box(b"av01", entry, configuration)),
        full(b"stts", struct.pack(">III", 1, count, 1)),
        full(b"stsz", struct.pack(">II", len(sample), count)),
        full(b"stsc", struct.pack(">IIII", 1, 1, 1, 1)),
        full(b"stco", struct.pack(f">I{count}I", count, *places)),
    )
    media = box(
        b"mdia",
        full(b"mdhd", struct.pack(">IIIII", 0, 0, 10, count, 0)),
        full(b"hdlr", bytes(4), b"pict", bytes(13)),
        box(b"minf", tables),
    )
    track = full(b"tkhd", struct.pack(">IIIII52xII", 0, 0, 1, 0, count, *(each << 16 for each in declared)))
    return head + content + box(b"moov", box(b"trak", track, _exif(len(head) + 8, exif) if exif else b"", media))


def _exif(at: int, exif: bytes) -> bytes:
    return full(
        b"meta",
        full(b"hdlr", bytes(4), b"pict", bytes(13)),
        full(b"iloc", b"\x44\0", struct.pack(">HHHHII", 1, 1, 0, 1, at, len(exif))),
        full(b"iinf", struct.pack(">H", 1), full(b"infe", struct.pack(">HH", 1, 0), b"Exif", b"\0", version=2)),
    )


def exif_of_numbers(count: int) -> bytes:
    """Return EXIF data of so many numbers, and of a turn that the container does not say, so that all are rewritten."""
    entries = struct.pack("<HHII", 274, 3, 1, 6) + struct.pack("<HHII", 50_000, 3, count, 38)
    return bytes(4) + b"II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4) + b"\x34\x12" * count


def moving(side: int, count: int, declared: int = 0, exif: bytes = b"") -> bytes:
    """Return plain frames in a moving AVIF, of which the boxes say that they have `declared` pixels a side."""
    sample, (configuration, *_) = heifs.coded(side, side)
    return sequence(sample, count, (declared or side,) * 2, configuration=configuration, exif=exif)


def shared_samples(count: int, size: int) -> bytes:
    """Return a moving AVIF whose samples all are the same bytes: units of nothing."""
    _, (configuration, *_) = heifs.coded(64, 64)
    return sequence(b"\x7a\0" * (size // 2), count, (64, 64), configuration=configuration, shares=True)
