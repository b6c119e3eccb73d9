"""GIF: its reader describes each frame in memory, and a frame may be a dozen bytes."""

from __future__ import annotations

from lambda_resize.containers import bounds

_FIRST = 13  # after the signature and the screen's description
_FRAME, _EXTENSION = 0x2C, 0x21


def checked(data: bytes, _max_frame_pixels: int) -> bytes:
    """Return the file. Raises `TooLarge`, see `bounds`."""
    at = _FIRST + _colours(data, 10)
    frames = blocks = 0
    while at < len(data) and data[at] in {_FRAME, _EXTENSION}:
        if data[at] == _FRAME:
            frames += 1
            bounds.check_parts("GIF frames", frames)
            at += 11 + _colours(data, at + 9)  # its description, and the size of LZW's codes
        else:
            at += 2
        while at < len(data):
            blocks += 1
            bounds.check_parts("GIF blocks", blocks)
            length = data[at]
            at += 1 + length
            if not length:
                break
    return data


def _colours(data: bytes, at: int) -> int:
    """Return the size of the colour table that the flags at `at` announce, in bytes."""
    flags = data[at] if at < len(data) else 0
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0
