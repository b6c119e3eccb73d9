"""PSD: Pillow keeps each resource, and walks over a table of the rows."""

from __future__ import annotations

from lambda_resize.containers import bounds

_HEIGHT, _COLOURS = 14, 26  # where the height is, and the first of the sections, each of which begins with its size
_NAME = 6  # of a resource, after its signature and kind


def checked(data: bytes, _max_frame_pixels: int) -> bytes:
    """Return the file. Raises `TooLarge`, see `bounds`."""

    def number(at: int) -> int:
        return int.from_bytes(data[at : at + 4])

    bounds.check_parts("PSD rows", number(_HEIGHT))
    at = _COLOURS + 4 + number(_COLOURS)
    at, end = at + 4, at + 4 + number(at)
    count = 0
    while at < min(end, len(data)):
        count += 1
        bounds.check_parts("PSD resources", count)
        name = int.from_bytes(data[at + _NAME : at + _NAME + 1])
        at += _NAME + 1 + (name | 1)  # a name and its length, and the content, take an even number of bytes
        size = number(at)
        at += 4 + size + size % 2
    return data
