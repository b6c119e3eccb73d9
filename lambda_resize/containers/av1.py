"""AV1 inside an AVIF item: its decoder decodes all frames, and returns one."""

from __future__ import annotations

from lambda_resize.containers import bounds

_FRAME_HEADER, _FRAME = 3, 6  # types of units ("OBU")


def frames(data: bytes) -> int:
    """Return how many frames there are."""
    at = units = count = 0
    while at < len(data):
        units += 1
        bounds.check_parts("AV1 units", units)
        head = data[at]
        at += 2 if head & 4 else 1
        size, at = _leb128(data, at) if head & 2 else (len(data) - at, at)
        count += head >> 3 & 15 in {_FRAME_HEADER, _FRAME}
        at += size
    return count


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of up to eight bytes, and where the next begins."""
    value = 0
    for index, byte in enumerate(data[at : at + 8]):
        value |= (byte & 127) << 7 * index
        if byte < 128:  # noqa: PLR2004 -- without the bit that says that more follow
            return value, at + index + 1
    return value, at + 8
