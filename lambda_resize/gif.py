"""Whether a GIF ends where it should: libvips renders as many frames as it finds, and reports no error."""

from __future__ import annotations

from lambda_resize.deadline import Deadline

_SCREEN, _IMAGE = 13, 10  # bytes of the header with its screen descriptor, and of an image descriptor
_EXTENSION, _SEPARATOR = 0x21, 0x2C
_TABLE, _TABLE_SIZE = 0x80, 0x07  # of the flags that end both descriptors: whether a colour table follows, its size


def is_whole(data: bytes, deadline: Deadline) -> bool:
    """Whether the file ends after a block, rather than inside one.

    What follows the trailer, or anything that begins no block, is left to the decoder; so is a missing trailer, which
    every decoder tolerates. Raises `TimedOut`.
    """
    end = len(data)
    at = _SCREEN + _table_bytes(data, 10)
    while at < end and data[at] in {_EXTENSION, _SEPARATOR}:
        # An extension has its label before its sub-blocks, an image its colour table and the size of its codes.
        at += 2 if data[at] == _EXTENSION else _IMAGE + _table_bytes(data, at + 9) + 1
        while at < end and data[at]:
            deadline.check()
            at += 1 + data[at]
        at += 1
    return at <= end


def _table_bytes(data: bytes, flags_at: int) -> int:
    flags = data[flags_at] if flags_at < len(data) else 0
    return 3 << (flags & _TABLE_SIZE) + 1 if flags & _TABLE else 0
