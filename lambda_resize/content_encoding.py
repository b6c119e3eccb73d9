"""Bodies that are stored, or answered, compressed: gzip and deflate are decoded, bounded; others are refused."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from lambda_resize.errors import Corrupt, TooLarge, Unsupported

# zlib's window bits: a gzip header or, for deflate (RFC 9110, 8.4.1.2), a zlib one; 32 recognises either.
_EITHER = 32 + zlib.MAX_WBITS
_MAX_MEMBERS = 100  # each copies what is left
_DECODED = frozenset({"gzip", "x-gzip", "deflate"})
# The SDKs' signature of pieces, which some stores keep in the header although it is over.
_NOTHING = frozenset({"", "identity", "aws-chunked"})


def is_encoded(content_encoding: str) -> bool:
    """Whether a body with this `Content-Encoding` is to be decoded. Raises `Unsupported` where it cannot be."""
    encodings = set(_encodings(content_encoding)) - _NOTHING
    for encoding in encodings - _DECODED:
        raise Unsupported(f"stored with Content-Encoding {encoding[:40]!r}; gzip and deflate are decoded")
    return bool(encodings)


def _encodings(content_encoding: str) -> Iterator[str]:
    """Yield what a body is encoded by, the last one first."""
    return (each.strip().lower() for each in reversed(content_encoding.split(",")))


def decoded(data: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """Return the body without its encodings, which `Content-Encoding` lists in the order in which they were applied.

    Raises:
        Unsupported: One of them is another than gzip and deflate.
        Corrupt: It is not what it says.
        TooLarge: More than `max_bytes` bytes.
    """
    if is_encoded(content_encoding):
        for encoding in _encodings(content_encoding):
            data = _decompressed(data, max_bytes) if encoding in _DECODED else data
    return data


def _decompressed(data: bytes, max_bytes: int) -> bytes:
    """Decompress all members: a gzip file may be several, one after the other."""
    pieces: list[bytes] = []
    left = max_bytes
    for _ in range(_MAX_MEMBERS):
        decompressor = zlib.decompressobj(_EITHER)
        try:
            piece = decompressor.decompress(data, left + 1)
        except zlib.error as error:
            raise Corrupt(f"stored with Content-Encoding gzip or deflate: {error}") from error
        left -= len(piece)
        if left < 0:
            raise TooLarge(f"decompressed, more than {max_bytes} bytes")
        if not decompressor.eof:
            raise Corrupt("stored with Content-Encoding gzip or deflate: it ends early")
        pieces.append(piece)
        data = decompressor.unused_data
        if not data:
            return b"".join(pieces)
    raise TooLarge(f"compressed in more than {_MAX_MEMBERS} pieces")
