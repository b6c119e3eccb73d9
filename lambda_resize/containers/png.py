"""PNG: libpng inflates each text chunk, up to 8 MB of it and a thousand of them, before they are dropped."""

from __future__ import annotations

from lambda_resize.containers import bounds

_START = 8  # the signature
_FRAME = 12  # of a chunk: length, type, checksum
# All chunks that change pixels; those whose name begins with a capital are needed to decode it.
_KEPT = frozenset({b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"sBIT", b"eXIf", b"pHYs", b"bKGD"})
_SINGLE = frozenset({b"iCCP", b"eXIf"})  # libpng uses one of each


def checked(data: bytes, _max_frame_pixels: int) -> bytes:
    """Return the file without text and other chunks that are not used.

    Raises:
        TooLarge: See `bounds`.
    """
    kept, dropped, seen = [memoryview(data)[:_START]], False, set()
    at, count = _START, 0
    while at + _FRAME <= len(data):
        count += 1
        bounds.check_parts("PNG chunks", count)
        kind, end = data[at + 4 : at + 8], at + _FRAME + int.from_bytes(data[at : at + 4])
        if _is_needed(kind) and not (kind in _SINGLE and kind in seen):
            kept.append(memoryview(data)[at:end])
            seen.add(kind)
        else:
            dropped = True
        at = end
    kept.append(memoryview(data)[at:])
    return b"".join(kept) if dropped else data


def _is_needed(kind: bytes) -> bool:
    return not kind.isalpha() or kind[:1].isupper() or kind in _KEPT
