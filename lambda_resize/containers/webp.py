"""WebP: its reader walks over all earlier chunks for each new one."""

from __future__ import annotations

from lambda_resize.containers import bounds

_FIRST = 12  # after "RIFF", the size, "WEBP"
_HEADER = 8


def checked(data: bytes, _max_frame_pixels: int) -> bytes:
    """Return the file. Raises `TooLarge`, see `bounds`."""
    at, count = _FIRST, 0
    while at + _HEADER <= len(data):
        count += 1
        bounds.check_parts("WebP chunks", count)
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += _HEADER + size + size % 2
    return data
