"""GIF: its reader describes each frame in memory, and a frame may be a dozen bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lambda_resize.containers import bounds

_FIRST = 13  # after the signature and the screen's description
_FRAME, _EXTENSION = 0x2C, 0x21
_COMMENT = b"\xfe"  # the kind of an extension
_CONTROL = b"\x21\xf9"  # an extension, of the frame that follows
CLEARS, RESTORES = 2, 3  # disposals: the frame's part becomes transparent, or what it was before


@dataclass(frozen=True)
class Frame:
    """Which part of the canvas a frame draws, in pixels, and what becomes of it afterwards."""

    left: int
    top: int
    right: int
    bottom: int
    disposal: int


def frames(data: bytes) -> Iterator[Frame]:
    """Yield the frames in order, while they can be followed."""
    disposal = 0
    for at in _blocks(data):
        if data[at : at + 2] == _CONTROL and at + 4 <= len(data):
            disposal = data[at + 3] >> 2 & 7
        if data[at] == _FRAME and at + 9 <= len(data):
            left, top, width, height = (int.from_bytes(data[at + n : at + n + 2], "little") for n in (1, 3, 5, 7))
            yield Frame(left, top, left + width, top + height, disposal)
            disposal = 0


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
    return max(_blocks(data, ends=True), default=_FIRST + _colours(data, 10))


def _blocks(data: bytes, *, ends: bool = False) -> Iterator[int]:
    """Yield where each frame or extension begins, or ends."""
    at = _FIRST + _colours(data, 10)
    frames = blocks = 0
    while at < len(data) and data[at] in {_FRAME, _EXTENSION}:
        if not ends:
            yield at
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
        if ends:
            yield at


def _colours(data: bytes, at: int) -> int:
    """Return the size of the colour table that the flags at `at` announce, in bytes."""
    flags = data[at] if at < len(data) else 0
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0
