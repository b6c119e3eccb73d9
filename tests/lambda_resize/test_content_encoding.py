"""Photos that are stored compressed, on a real S3, and what is compressed to do harm."""

from __future__ import annotations

import gzip
import zlib

import pytest

from devstack.backends import S3, s3_client
from lambda_resize.content_encoding import decoded
from lambda_resize.errors import Corrupt, ResizeError, TooLarge, Unsupported
from lambda_resize.storage import Storage

BODY = b"picture " * 100


def _gzip(data: bytes) -> bytes:
    """Compress without the time of day, which would be in the tests' names."""
    return gzip.compress(data, mtime=0)


@pytest.mark.usefixtures("environment")
@pytest.mark.fault("photo-compressed")
@pytest.mark.parametrize(
    ("encoding", "stored"),
    [
        ("gzip", _gzip(BODY)),
        ("GZIP", _gzip(BODY[:300]) + _gzip(BODY[300:])),
        ("deflate", zlib.compress(BODY)),
        ("gzip,aws-chunked", _gzip(BODY)),
        ("deflate, gzip", _gzip(zlib.compress(BODY))),
        ("aws-chunked", BODY),
        ("identity", BODY),
    ],
)
def test_a_photo_that_is_stored_compressed_is_decoded(s3: S3, encoding: str, stored: bytes) -> None:
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/compressed", Body=stored, ContentEncoding=encoding)
    photo = Storage(endpoint=s3.endpoint, region=s3.region).read(s3.bucket, "photo/compressed", len(BODY))

    assert photo.data == BODY


@pytest.mark.usefixtures("environment")
@pytest.mark.fault("photo-compressed")
def test_a_bomb_is_refused_before_it_is_decompressed(s3: S3) -> None:
    bomb = _gzip(bytes(50_000_000))
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/bomb", Body=bomb, ContentEncoding="gzip")
    with pytest.raises(TooLarge, match="decompressed, more than 1000000 bytes"):
        Storage(endpoint=s3.endpoint, region=s3.region).read(s3.bucket, "photo/bomb", 1_000_000)


@pytest.mark.fault("photo-compressed")
@pytest.mark.parametrize(
    ("encoding", "stored", "error"),
    [
        ("br", BODY, Unsupported),
        ("zstd", BODY, Unsupported),
        ("gzip", BODY, Corrupt),
        ("gzip", b"", Corrupt),
        ("gzip", _gzip(BODY)[:-9], Corrupt),
        ("gzip", _gzip(b"") * 101, TooLarge),
        (", ".join(["gzip"] * 3), _gzip(_gzip(BODY)), Corrupt),
    ],
)
def test_another_encoding_or_a_wrong_one_is_refused_in_words(
    encoding: str, stored: bytes, error: type[ResizeError]
) -> None:
    with pytest.raises(error):
        decoded(stored, encoding, 1000)
