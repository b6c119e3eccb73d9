"""JPEG: decoding takes pixels x scans, and a scan may be a dozen bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lambda_resize.containers import bounds

# Within pixels, 0xFF is followed by zero or a restart marker. The reserved codes below 0xC0 have no length, and libjpeg
# goes on at the next marker.
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = frozenset({0xC0, 0xC1})  # frames without later scans that refine them
_READ = 8  # bytes of a segment that are read here


def checked(data: bytes, max_frame_pixels: int) -> bytes:
    """Return the file. Raises `TooLarge`, see `bounds`."""
    for _ in Walk(max_frame_pixels).advance(data, len(data), is_whole=True):
        pass
    return data


def work(data: bytes) -> int:
    """Return how many pixels decoding takes, those of ten scans as once. Raises `TooLarge`, see `bounds`."""
    markers = _Markers()
    markers.follow(data, len(data), is_whole=True)
    return markers.pixels * -(-markers.scans // 10)


class Walk:
    """Follows a file while it arrives, and lets a decoder have what it has seen."""

    def __init__(self, max_frame_pixels: int) -> None:
        self._markers = _Markers()
        self._max_pixels = bounds.SCANS_OF_A_FRAME * max_frame_pixels
        self._passed = 0

    @property
    def is_over(self) -> bool:
        """Whether the image has ended; cameras append further ones."""
        return self._markers.is_over

    def is_sequential(self, data: bytes | bytearray, end: int, *, is_whole: bool) -> bool | None:
        """Whether one scan has all pixels, row by row; None if the first `end` bytes do not say so yet."""
        self._markers.follow(data, end, is_whole=is_whole)
        is_known = is_whole or self._markers.scans or self.is_over
        return bool(self._markers.is_sequential) if is_known else None

    def advance(self, data: bytes | bytearray, end: int, *, is_whole: bool) -> Iterator[tuple[int, int]]:
        """Yield the ranges that may be decoded, now that `end` bytes are there, or the whole file.

        Raises `TooLarge`, see `bounds`.
        """
        markers = self._markers
        markers.follow(data, end, is_whole=is_whole)
        bounds.check_work(f"{markers.scans} scans", markers.scans * markers.pixels, self._max_pixels)
        start, self._passed = self._passed, end if is_whole or markers.is_over else min(end, markers.at)
        yield start, self._passed


class _Markers:
    """The markers of a file as far as it was followed: the number of scans, and the pixels of each."""

    def __init__(self) -> None:
        self.at = self.scans = self.pixels = self._count = self._channels = 0
        self._is_frame_sequential = self.is_sequential = self.is_over = False

    def follow(self, data: bytes | bytearray, end: int, *, is_whole: bool) -> None:
        """Go on to `end`, or to the last marker whose segment begins with enough bytes before it."""
        while not self.is_over and (found := _MARKER.search(data, self.at, end)):
            if found.end() + _READ > end and not is_whole:
                self.at = found.start()
                return
            self._count += 1
            bounds.check_parts("JPEG markers", self._count)
            self._pass(data[found.end() - 1], data, found.end())
        self.at = max(self.at, end - 1)  # a marker may begin with the last byte
        bounds.check_parts("JPEG scans", self.scans)

    def _pass(self, kind: int, data: bytes | bytearray, start: int) -> None:
        self.at = start
        if kind == _END_OF_IMAGE:
            self.is_over = True
        elif kind != _START_OF_IMAGE:
            self.at += max(2, int.from_bytes(data[start : start + 2]))
        if kind in _FRAMES:
            height, width = int.from_bytes(data[start + 3 : start + 5]), int.from_bytes(data[start + 5 : start + 7])
            self.pixels = max(self.pixels, width * height)
            self._channels, self._is_frame_sequential = int.from_bytes(data[start + 7 : start + 8]), kind in _SEQUENTIAL
        if kind == _START_OF_SCAN:
            self.scans += 1
            if self.scans == 1:
                has_all = int.from_bytes(data[start + 2 : start + 3]) == self._channels
                self.is_sequential = self._is_frame_sequential and has_all
