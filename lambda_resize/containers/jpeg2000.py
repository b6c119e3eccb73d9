"""JPEG 2000: a few bytes declare millions of blocks, and billions of packets (ISO 15444-1, annexes A, B and I)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lambda_resize.containers import bounds
from lambda_resize.errors import Corrupt, Unsupported

_STREAM = b"\xff\x4f\xff\x51"  # how a code stream begins: its first marker, and SIZ
_SIZ, _COD, _COC, _POC, _SOT, _SOD, _EOC = 0x51, 0x52, 0x53, 0x5F, 0x90, 0x93, 0xD9
_OTHERS = frozenset({0x50, 0x55, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x60, 0x61, 0x63, 0x64, 0x74, 0x75, 0x77, 0x78})
_KNOWN = _OTHERS | {_SIZ, _COD, _COC, _POC, _SOT}
_HEADERS = frozenset({b"jp2h", b"res "})  # boxes that Pillow looks into
_CHANNELS = 4  # of which Pillow makes pictures
_LARGEST = 15  # the exponent of a precinct's sides where none is said
_PROGRESSION = 7  # bytes of a change, where a channel's number takes one


class _Segment(NamedTuple):
    """A marker, and what it says."""

    kind: int
    content: bytes

    def number(self, at: int, size: int = 1) -> int:
        return int.from_bytes(self.content[at : at + size])


def checked(data: bytes, max_frame_pixels: int) -> bytes:
    """Return the file.

    Raises:
        TooLarge: See `bounds`.
        Corrupt: It has a marker that is none, after which its decoder might find others than are found here.
        Unsupported: It has more channels than pictures have.
    """
    segments = list(_segments(data, _start(data)))
    if not segments or segments[0].kind != _SIZ:
        return data
    size = segments[0]
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top = (
        size.number(at, 4) for at in range(2, 34, 4)
    )
    channels = size.number(34, 2)
    if channels > _CHANNELS:
        raise Unsupported(f"jp2: {channels} channels")
    bounds.check_work("jp2", max(0, right - left) * max(0, bottom - top), max_frame_pixels // bounds.JPEG_2000S_SHARE)
    tiles = _pieces(right - tile_left, tile_width) * _pieces(bottom - tile_top, tile_height)
    bounds.check_parts("JPEG 2000 tiles", tiles)
    (block, precinct), resolutions = _least_sizes(segments)
    blocks, places = (tiles + _pieces(right, 1 << x) * _pieces(bottom, 1 << y) for x, y in (block, precinct))
    bounds.check_parts("JPEG 2000 blocks", channels * blocks)
    layers = max([1, *(each.number(2, 2) for each in segments if each.kind == _COD)])
    changes = sum(len(each.content) // _PROGRESSION for each in segments if each.kind == _POC)
    bounds.check_parts("JPEG 2000 steps", places * channels * resolutions * layers * (1 + changes))
    return data


def _start(data: bytes) -> int:
    """Return where the code stream is."""
    if data.startswith(_STREAM):
        return 0
    found = [at for count, (name, at) in enumerate(_boxes(data, 0, len(data)), 1) if _is_code(name, count)]
    return found[0] if found else len(data)


def _is_code(name: bytes, count: int) -> bool:
    bounds.check_parts("JPEG 2000 boxes", count)
    return name == b"jp2c"


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int]]:
    """Yield the name of each box, also within others, and where its content is."""
    while at + 8 <= end:
        size, name, header = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16]), 16
        after = at + size if size else end
        if after < at + header:
            return
        yield name, at + header
        if name in _HEADERS:
            yield from _boxes(data, at + header, min(after, end))
        at = after


def _segments(data: bytes, at: int) -> Iterator[_Segment]:
    """Yield what all headers say: the first, and that of each part of a tile, before its code."""
    count, part, size = 0, at, 0
    at += 2
    while data[at : at + 1] == b"\xff":
        count += 1
        bounds.check_parts("JPEG 2000 markers", count)
        kind, length = int.from_bytes(data[at + 1 : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        if kind == _EOC:
            return
        if kind == _SOD:
            at = max(at + 2, part + size) if size else len(data)
            continue
        if kind not in _KNOWN:
            raise Corrupt(f"jp2: a marker {kind:02x}")
        segment = _Segment(kind, data[at + 4 : at + 2 + length])
        if kind == _SOT:
            part, size = at, segment.number(2, 4)
        yield segment
        at += 2 + max(2, length)


def _least_sizes(segments: list[_Segment]) -> tuple[tuple[tuple[int, int], tuple[int, int]], int]:
    """Return the exponents of the least sides of a block and of a precinct in the whole picture, and the resolutions.

    Precincts cut blocks. Those of a smaller picture stand for as many times more of the whole one.
    """
    blocks, precincts, most = [(6, 6)], [(_LARGEST, _LARGEST)], 1
    for each in segments:
        if each.kind not in {_COD, _COC}:
            continue
        at, has_precincts = (5, each.number(0) & 1) if each.kind == _COD else (2, each.number(1) & 1)
        resolutions = each.number(at) + 1
        most = max(most, resolutions)
        blocks.append((each.number(at + 1) + 2, each.number(at + 2) + 2))
        for shrunk in range(resolutions if has_precincts else 0):
            sides = each.number(at + 4 + resolutions - shrunk)
            precincts.append(((sides & 15) + shrunk, (sides >> 4) + shrunk))
    least = (min(x for x, _ in precincts), min(y for _, y in precincts))
    block = (min(least[0], *(x for x, _ in blocks)), min(least[1], *(y for _, y in blocks)))
    return (block, least), most


def _pieces(length: int, piece: int) -> int:
    """Return how many pieces a length is covered by; a piece of no length is its decoder's to refuse."""
    return -(-max(0, length) // piece) if piece else 0
