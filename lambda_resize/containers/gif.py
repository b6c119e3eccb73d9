"""GIF: its reader describes each frame in memory, and a frame may be a dozen bytes."""

from __future__ import annotations

from lambda_resize.containers import bounds

_FIRST = 13  # after the signature and the screen's description
_FRAME, _EXTENSION = 0x2C, 0x21
_COMMENT = b"\xfe"  # the kind of an extension


def checked(data: bytes, _max_frame_pixels: int) -> bytes:
    """Return the file. Raises `TooLarge`, see `bounds`."""
    _end_of_blocks(data)
    return data


def is_whole(data: bytes) -> bool:
    """Whether the file ends after a block, rather than inside one: libvips renders the frames it finds, without error.

    What follows the trailer, or anything that begins no block, is left to the decoder; so is a missing trailer, which
    every decoder tolerates. Raises `TooLarge`, see `bounds`.
    """
    return _end_of_blocks(data) <= len(data)


def _end_of_blocks(data: bytes) -> int:
    """Return where the last block ends: beyond the file, if the file ends within it."""
    at = _FIRST + _colours(data, 10)
    frames = blocks = 0
    while at < len(data) and data[at] in {_FRAME, _EXTENSION}:
        if data[at] == _FRAME:
            frames += 1
            bounds.check_parts("GIF frames", frames)
            at += 11 + _colours(data, at + 9)  # its description, and the size of LZW's codes
        elif data[at + 1 : at + 2] == _COMMENT:
            at += 2
        else:  # libnsgif reads the first block even if it is empty
            at += 3 + int.from_bytes(data[at + 2 : at + 3])
        while at < len(data) and data[at]:
            blocks += 1
            bounds.check_parts("GIF blocks", blocks)
            at += 1 + data[at]
        at += 1  # the empty block that ends a frame or an extension
    return at


def _colours(data: bytes, at: int) -> int:
    """Return the size of the colour table that the flags at `at` announce, in bytes."""
    flags = data[at] if at < len(data) else 0
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0
