"""JPEG: decoding takes pixels x scans, and a scan may be a dozen bytes."""

from __future__ import annotations

import re

from lambda_resize.containers import bounds

# Within pixels, 0xFF is followed by zero or a restart marker. The reserved codes below 0xC0 have no length, and libjpeg
# goes on at the next marker.
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def checked(data: bytes, max_frame_pixels: int) -> bytes:
    """Return the file. Raises `TooLarge`, see `bounds`."""
    scans, pixels = _scans(data)
    bounds.check_work(f"{scans} scans", scans * pixels, bounds.SCANS_OF_A_FRAME * max_frame_pixels)
    return data


def work(data: bytes) -> int:
    """Return how many pixels decoding takes, those of ten scans as once. Raises `TooLarge`, see `bounds`."""
    scans, pixels = _scans(data)
    return pixels * -(-scans // 10)


def _scans(data: bytes) -> tuple[int, int]:
    """Return how many scans there are, and the pixels of each."""
    at = markers = scans = pixels = 0
    while found := _MARKER.search(data, at):
        markers += 1
        bounds.check_parts("JPEG markers", markers)
        kind, start = data[found.end() - 1], found.end()
        if kind == _END_OF_IMAGE:  # cameras append further images
            break
        if kind == _START_OF_IMAGE:
            at = start
            continue
        at = start + max(2, int.from_bytes(data[start : start + 2]))
        scans += kind == _START_OF_SCAN
        if kind in _FRAMES:
            height, width = int.from_bytes(data[start + 3 : start + 5]), int.from_bytes(data[start + 5 : start + 7])
            pixels = max(pixels, width * height)
    bounds.check_parts("JPEG scans", scans)
    return scans, pixels
