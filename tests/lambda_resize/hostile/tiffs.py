"""TIFF as scanners and editors write it: pages with any entries, uncompressed or deflated, in one strip."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

KIND, OLD_KIND, COMPRESSION, PHOTOMETRIC, EXTRA, SUBSAMPLING = 254, 255, 259, 262, 338, 530
COEFFICIENTS, BLACK_WHITE = 529, 532
RGB, CMYK, YCBCR, GREY = 2, 5, 6, 1
DEFLATED = 8
_FRACTIONS = frozenset({COEFFICIENTS, BLACK_WHITE})

Page = tuple[NDArray[np.uint8], Mapping[int, Sequence[int]]]


def tiff(*pages: Page, order: str = "<") -> bytes:
    """Return a file of pages, each of its pixels and its entries; of fractions, numerators of ten thousand."""
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8))
    for number, (pixels, entries) in enumerate(pages):
        page = _page(pixels, entries, len(out), order, last=number == len(pages) - 1)
        out += page
    return bytes(out)


def _page(pixels: NDArray[np.uint8], given: Mapping[int, Sequence[int]], at: int, order: str, *, last: bool) -> bytes:
    height, width, channels = pixels.shape
    data = pixels.tobytes()
    if given.get(COMPRESSION) == (DEFLATED,):
        data = zlib.compress(data)
    entries: dict[int, Sequence[int]] = {
        256: (width,),
        257: (height,),
        258: (8,) * channels,
        COMPRESSION: (1,),
        277: (channels,),
        278: (height,),
    }
    entries = {**entries, 273: (0,), 279: (len(data),), **given}
    table, after = 2 + 12 * len(entries) + 4, bytearray()
    entries[273] = (at + table + sum(_size(tag, values) for tag, values in entries.items()),)
    body = struct.pack(order + "H", len(entries))
    for tag, values in sorted(entries.items()):
        kind = 5 if tag in _FRACTIONS else 4
        content = b"".join(
            struct.pack(order + "II", value, 10_000) if kind == 5 else struct.pack(order + "I", value)
            for value in values
        )
        place = content if len(content) <= 4 else struct.pack(order + "I", at + table + len(after))
        after += content if len(content) > 4 else b""
        body += struct.pack(order + "HHI", tag, kind, len(values)) + place
    data += bytes(len(data) % 2)
    following = 0 if last else at + table + len(after) + len(data)
    return body + struct.pack(order + "I", following) + bytes(after) + data


def _size(tag: int, values: Sequence[int]) -> int:
    size = len(values) * (8 if tag in _FRACTIONS else 4)
    return size if size > 4 else 0
