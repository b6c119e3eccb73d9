"""JPEG: tells harmless faults, which cameras write and every program shows, from damage to the picture.

libjpeg warns of both alike, and invents pixels for what is missing. So harmless faults are repaired here, and its
warnings then mean damage:

- bytes between segments, a length that is too small, restart markers before the picture
- an unknown version of JFIF, or an unknown transform of Adobe's
- a baseline scan that names coefficients as a progressive one does
- no end marker, which matters only if pixels are missing too

It does not warn of zeros in the place of a part of the picture: they are codes. A download that was interrupted, or a
bad sector, leaves them. Where the codes of zeros say "nothing more in this block", plain areas are long runs of them
too; but only damage begins and ends where a block of a disk does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lambda_resize.errors import Corrupt

# Bytes of zeros that no encoder writes, unless the shortest code says "nothing more in this block". Of the others each
# zero bit is a part of a coefficient, and a block of 64 is full after 24 bytes.
ZEROS = 128
SECTOR = 4096  # bytes, of disks, memory pages and the pieces of downloads
# An encoder's zeros may touch those of a sector. A plain area begins and ends so by chance once in two million.
_TOUCHING = 2
_OF_SECTORS = re.compile(rb"\0{%d,}" % SECTOR)
_A_BLOCK = 32  # bytes of zeros that may belong to the last block
_NEXT = re.compile(rb"\xff[^\x00\xff]")  # of a header
_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # zero and restart markers belong to the scan
_START, _END, _SCAN, _TABLES, _JFIF, _ADOBE = 0xD8, 0xD9, 0xDA, 0xC4, 0xE0, 0xEE
_END_OF_IMAGE = b"\xff\xd9"
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_SEQUENTIAL, _PROGRESSIVE, _ARITHMETIC = frozenset({0xC0, 0xC1}), 0xC2, frozenset(range(0xC9, 0xD0)) - {0xCC}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALL_COEFFICIENTS = b"\0\x3f\0"
_SYMBOL = 1  # of AC in the standard's tables: one coefficient of -1


@dataclass(frozen=True)
class _Segment:
    marker: int
    gap: int  # where the segment before it ends
    at: int  # of its 0xFF
    start: int  # of its length
    end: int


@dataclass
class _Header:
    """What the segments up to a scan say about it."""

    frame: int = 0
    components: int = 0
    first_symbols: dict[int, int] = field(default_factory=dict)  # of a table, by its class and number


def repaired(data: bytes) -> bytes:
    """Return the file without harmless faults, so that each warning of its decoder is damage.

    Raises:
        Corrupt: Zeros are in the place of a part of the picture.
    """
    edits: list[tuple[int, int, bytes]] = []
    header = _Header()
    for segment in _segments(data):
        if data[segment.gap : segment.at].strip(b"\xff") or segment.marker in _ALONE:
            edits.append((segment.gap, segment.end if segment.marker in _ALONE else segment.at, b""))
        header = _read(header, data, segment)
        edits += _in_segment(data, segment, header)
        if segment.marker == _SCAN:
            edits += _in_scans(data, segment)
            break
    return _edited(data, edits)


def is_faulty(data: bytes) -> bool:
    """Whether `repaired` changes the file, or refuses it."""
    try:
        return repaired(data) is not data
    except Corrupt:
        return True


def _edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    if not edits:
        return data
    pieces: list[bytes | memoryview] = []
    at = 0
    for start, end, new in edits:
        pieces += [memoryview(data)[at:start], new]
        at = end
    return b"".join([*pieces, memoryview(data)[at:]])


def _segments(data: bytes) -> Iterator[_Segment]:
    """Yield the segments as libjpeg finds them: it skips whatever is no marker."""
    at, pattern = 2, _NEXT
    while found := pattern.search(data, at):
        marker, start = data[found.end() - 1], found.end()
        if marker in {_START, _END}:
            return
        size = 0 if marker in _ALONE else max(2, int.from_bytes(data[start : start + 2]))
        yield _Segment(marker, at, found.start(), start, start + size)
        at, pattern = start + size, _AFTER_SCAN if marker == _SCAN else _NEXT


def _read(header: _Header, data: bytes, segment: _Segment) -> _Header:
    if segment.marker in _FRAMES:
        return _Header(
            segment.marker, int.from_bytes(data[segment.start + 7 : segment.start + 8]), header.first_symbols
        )
    if segment.marker == _TABLES:
        known = header.first_symbols | dict(_first_symbols(data[segment.start + 2 : segment.end]))
        return _Header(header.frame, header.components, known)
    return header


def _first_symbols(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield for each table, by its class (the upper four bits) and number, what a code of zeros means."""
    at = 0
    while at + 17 < len(content):
        yield content[at], content[at + 17]
        at += 17 + sum(content[at + 1 : at + 17])


def _in_segment(data: bytes, segment: _Segment, header: _Header) -> Iterator[tuple[int, int, bytes]]:
    start = segment.start
    content = data[start + 2 : min(segment.end, start + 14)]
    if segment.marker == _JFIF and content[:5] == b"JFIF\0" and content[5:6] != b"\1":
        yield start + 7, start + 8, b"\1"
    if segment.marker == _ADOBE and content[:5] == b"Adobe" and content[11:12] > b"\2":
        # What libjpeg takes unknown ones for: YCbCr, and YCCK of four channels, which are declared later.
        yield start + 13, start + 14, b"\1" if _components(data) < 4 else b"\2"  # noqa: PLR2004
    if segment.marker == _SCAN and header.frame in _SEQUENTIAL:
        at = start + 3 + 2 * data[start + 2] if start + 2 < len(data) else len(data)
        if data[at : at + 3] != _ALL_COEFFICIENTS:
            yield at, at + 3, _ALL_COEFFICIENTS


def _components(data: bytes) -> int:
    header = _Header()
    for segment in _segments(data):
        header = _read(header, data, segment)
        if header.frame:
            break
    return header.components


def _in_scans(data: bytes, first: _Segment) -> Iterator[tuple[int, int, bytes]]:
    """Look for zeros instead of pixels, and for the end. Raises `Corrupt`."""
    run = data.find(bytes(ZEROS), first.end)
    end = data.find(_END_OF_IMAGE, first.end)  # of this picture: cameras append further ones, with zeros between them
    if run >= 0 and (end < 0 or run < end) and not _are_codes(data, run):
        after = _end_of_zeros(data, run)
        if after < len(data) and data[after : after + 2] != _END_OF_IMAGE:
            raise Corrupt(f"jpeg: {after - run} bytes of zeros in the place of pixels")
        # Whether pixels are missing shows without the zeros, which would be decoded to some.
        yield run + _A_BLOCK, after, b""
    elif run >= 0:
        _check_sectors(data, run, len(data) if end < 0 else end)
    if end < 0:
        yield len(data), len(data), _END_OF_IMAGE


def _check_sectors(data: bytes, start: int, end: int) -> None:
    """Raise `Corrupt` if whole sectors are zeros, and what is around them is not."""
    for found in _OF_SECTORS.finditer(data, start, end):
        first, last = -(-found.start() // SECTOR) * SECTOR, found.end() // SECTOR * SECTOR
        is_exact = first - found.start() <= _TOUCHING and found.end() - last <= _TOUCHING
        if first < last and is_exact and not _is_in_segment(data, first):
            raise Corrupt(f"jpeg: {last - first} bytes of zeros in the place of sectors")


def _is_in_segment(data: bytes, place: int) -> bool:
    """Whether a place is inside a segment, such as a profile, rather than in a scan."""
    return any(each.at <= place < each.end for each in _segments(data))


def _end_of_zeros(data: bytes, run: int) -> int:
    found = re.compile(rb"[^\0]").search(data, run)
    return found.start() if found else len(data)


def _are_codes(data: bytes, place: int) -> bool:
    """Whether an encoder may write many zeros at a place in a scan: blocks that have no more coefficients."""
    header = _Header()
    scan = None
    for segment in _segments(data):
        if segment.at > place:
            break
        header = _read(header, data, segment)
        scan = segment if segment.marker == _SCAN else scan
        if segment.end > place:
            return True  # inside a segment, such as a profile
    return scan is None or _may_be_zeros(data, scan, header)


def _may_be_zeros(data: bytes, scan: _Segment, header: _Header) -> bool:
    count = data[scan.start + 2]
    tables = data[scan.start + 4 : scan.start + 3 + 2 * count : 2]
    low, _, bits = data[scan.start + 3 + 2 * count : scan.start + 6 + 2 * count]
    directly = [header.first_symbols.get(table >> 4, 0) for table in tables]
    others = [header.first_symbols.get(0x10 | table & 15, _SYMBOL) for table in tables]
    if header.frame in _SEQUENTIAL:
        return not any(directly) and not any(others)
    if header.frame != _PROGRESSIVE or bits >> 4:  # bits that refine coefficients, which are zeros often
        return True
    return not any(symbol & 15 for symbol in (others if low else directly))
