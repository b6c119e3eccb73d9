"""PNG: libpng inflates each text chunk, up to 8 MB of it and a thousand of them, before they are dropped."""

from __future__ import annotations

from collections.abc import Iterator

from lambda_resize.containers import bounds
from lambda_resize.containers.cicp import Coding

_START = 8  # the signature
_FRAME = 12  # of a chunk: length, type, checksum
_HEADER, _INTERLACED = slice(12, 16), 28  # the first chunk's type, and the last field of its content
# All chunks that change pixels; those whose name begins with a capital are needed to decode it.
_MOVING = frozenset({b"acTL", b"fcTL", b"fdAT"})
_KEPT = _MOVING | frozenset({b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"sBIT", b"eXIf", b"pHYs", b"bKGD"})
_AFTER = frozenset({b"PLTE", b"IDAT"})  # what colours are described before
_SINGLE = frozenset({b"iCCP", b"eXIf"})  # libpng uses one of each
_END = b"IEND"
_BEGINNING = 40  # bytes of a chunk that tell whether it is kept
_XMP, _MAX_XMP = b"XML:com.adobe.xmp\0\0", 100_000  # how its chunk begins; and its size in bytes


def checked(data: bytes, max_frame_pixels: int) -> bytes:
    """Return the file without text and other chunks that are not used.

    Raises:
        TooLarge: See `bounds`.
    """
    kept = list(Walk(max_frame_pixels).advance(data, len(data), is_whole=True))
    if sum(end - start for start, end in kept) == len(data):
        return data
    return b"".join(memoryview(data)[start:end] for start, end in kept)


class Walk:
    """Follows a file while it arrives, and lets a decoder have what is needed of it."""

    def __init__(self, _max_frame_pixels: int) -> None:
        self.is_over = False  # from the image's last chunk on, which decoders read last
        self._at, self._next = 0, _START  # in the current chunk, and where it ends
        self._is_kept = True
        self._count = 0
        self._seen: set[bytes] = set()

    @staticmethod
    def is_sequential(data: bytes | bytearray, end: int, *, is_whole: bool) -> bool | None:
        """Whether the rows come in order; None if the first `end` bytes do not say so yet."""
        if end <= _INTERLACED:
            return False if is_whole else None
        return data[_HEADER] == b"IHDR" and data[_INTERLACED] == 0

    def advance(self, data: bytes | bytearray, end: int, *, is_whole: bool) -> Iterator[tuple[int, int]]:
        """Yield the ranges that are kept, now that `end` bytes are there, or the whole file.

        Raises `TooLarge`, see `bounds`.
        """
        while self._at < end:
            if self._at == self._next:
                if not self.is_over and self._at + (_FRAME if is_whole else _BEGINNING) <= end:
                    self._begin(data)
                elif self.is_over or is_whole:  # what is no chunk is left to the decoder
                    self._next, self._is_kept = end, True
                else:
                    return
            start, self._at = self._at, min(self._next, end)
            if self._is_kept:
                yield start, self._at

    def _begin(self, data: bytes | bytearray) -> None:
        self._count += 1
        bounds.check_parts("PNG chunks", self._count)
        kind = bytes(data[self._at + 4 : self._at + 8])
        self._next = self._at + _FRAME + int.from_bytes(data[self._at : self._at + 4])
        self._is_kept = _is_needed(kind) and not (kind in _SINGLE and kind in self._seen)
        if kind == b"iTXt" and kind not in self._seen:
            self._is_kept = _is_xmp(data, self._at, self._next)
        self._seen.add(kind)
        self.is_over = kind == _END


def coding(data: bytes) -> Coding:
    """Return what `cICP` says of the colours, which counts more than a profile (PNG 3, 11.3.2.6)."""
    at = _START
    while at + _FRAME <= len(data):
        kind, size = data[at + 4 : at + 8], int.from_bytes(data[at : at + 4])
        if kind == b"cICP" and size == 4:  # noqa: PLR2004 -- a byte for each
            primaries, transfer, _matrix, full = data[at + 8 : at + 12]
            return Coding(primaries, transfer, limited=not full, over_profile=True)
        if kind in _AFTER:
            break
        at += _FRAME + size
    return Coding()


def frames(data: bytes) -> int:
    """Return how many frames an animation has, or 1."""
    found, at, moves = 0, _START, False
    while at + _FRAME <= len(data):
        kind = data[at + 4 : at + 8]
        moves = moves or kind == b"acTL"
        if kind == b"IDAT" and not moves:
            return 1
        found += kind == b"fcTL"
        at += _FRAME + int.from_bytes(data[at : at + 4])
    return max(1, found)


def _is_xmp(data: bytes | bytearray, at: int, end: int) -> bool:
    """Whether a chunk is a description that is not compressed, and no larger than any that is read."""
    return data[at + 8 : at + 8 + len(_XMP)] == _XMP and end - at <= _MAX_XMP


def _is_needed(kind: bytes) -> bool:
    return not kind.isalpha() or kind[:1].isupper() or kind in _KEPT
