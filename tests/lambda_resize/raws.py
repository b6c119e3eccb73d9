"""RAW files as cameras write them, around a JPEG: their directories, and no sensor's numbers."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from tests.lambda_resize.hostile.heifs import box

Tags = Mapping[int, tuple[int, Sequence[int]]]  # type and values
SHORT, LONG = 3, 4
WIDTH, HEIGHT, COMPRESSION, COLOURS, PLACES, ORIENTATION, LENGTHS = 256, 257, 259, 262, 273, 274, 279
INSIDE, JPEG_AT, JPEG_LENGTH, DNG = 330, 513, 514, 50706
MOSAIC = 32803
FIRST = 16  # where the JPEG begins
SENSOR: Tags = {WIDTH: (LONG, [6000]), HEIGHT: (LONG, [4000]), COLOURS: (SHORT, [MOSAIC])}


def raw(
    jpeg: bytes,
    pages: Sequence[Tags],
    inside: Sequence[Tags] = (),
    *,
    magic: bytes = b"*\0",
    more: bytes = b"",
    order: str = "<",
) -> bytes:
    """Return a file of these directories in a row, the first of which has those inside it; the JPEG is at `FIRST`."""
    start = FIRST + len(jpeg) + len(jpeg) % 2
    children, at = b"", start
    places = []
    for tags in inside:
        places.append(at)
        piece = _directory(order, tags, at, last=True)
        children, at = children + piece, at + len(piece)
    first, main = at, b""
    for number, tags in enumerate(pages):
        own = dict(tags) | ({INSIDE: (LONG, places)} if places and number == 0 else {})
        piece = _directory(order, own, at, last=number + 1 == len(pages))
        main, at = main + piece, at + len(piece)
    order_bytes = b"II" if order == "<" else b"MM"
    head = order_bytes + (magic if order == "<" else magic[::-1]) + struct.pack(f"{order}I", first) + more
    return head.ljust(FIRST, b"\0") + jpeg + bytes(len(jpeg) % 2) + children + main


def _directory(order: str, tags: Tags, at: int, *, last: bool) -> bytes:
    """Return a directory that begins at a place in the file, and its longer values behind it."""
    beyond = at + 6 + 12 * len(tags)
    entries, values = b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(numbers)}{'H' if kind == SHORT else 'I'}", *numbers)
        if len(content) > 4:
            place = struct.pack(f"{order}I", beyond + len(values))
            values += content
        else:
            place = content.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + place
    following = 0 if last else beyond + len(values)
    return struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", following) + values


def pointing(jpeg: bytes) -> Tags:
    """Return the tags of a JPEG as a thumbnail has them."""
    return {JPEG_AT: (LONG, [FIRST]), JPEG_LENGTH: (LONG, [len(jpeg)])}


def as_strip(jpeg: bytes, compression: int = 6) -> Tags:
    """Return the tags of a JPEG that is a page's only strip."""
    return {PLACES: (LONG, [FIRST]), LENGTHS: (LONG, [len(jpeg)]), COMPRESSION: (SHORT, [compression])}


def turned(orientation: int) -> Tags:
    """Return the tag of an EXIF orientation."""
    return {ORIENTATION: (SHORT, [orientation])}


def fujifilm(jpeg: bytes, width: int, height: int) -> bytes:
    """Return a RAF."""
    sizes = struct.pack(">IHHHH", 1, 0x0111, 4, height, width)
    head = b"FUJIFILMCCD-RAW ".ljust(84, b"0") + struct.pack(">III", 120, len(jpeg), 120 + len(jpeg))
    return head.ljust(120, b"\0") + jpeg + sizes


def canon(jpeg: bytes, width: int, height: int, orientation: int) -> bytes:
    """Return a CR3: boxes, of which one has a directory of its own, and the JPEG among the data."""
    tags = {WIDTH: (LONG, [width]), HEIGHT: (LONG, [height]), **turned(orientation)}
    return box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"CMT1", raw(b"", [tags])) + box(b"mdat", jpeg)
