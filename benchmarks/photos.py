"""The photos of the benchmarks: rendered, and put into the bucket under the names of misses."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from devstack.backends import S3, s3_client
from devstack.samples.catalogue import enlarged


def jpeg(width: int = 1362, height: int = 1112, seed: int = 2) -> bytes:
    """Return a JPEG of twice this width and height in pixels; the default is of six megapixels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        enlarged("day", width, height, seed)(path)
        return path.read_bytes()


def store(s3: S3, photo: bytes, names: Iterable[str]) -> None:
    """Put a photo into the bucket under each name."""
    client = s3_client(s3)
    for name in names:
        client.put_object(Bucket=s3.bucket, Key=f"photo/{name}", Body=photo, ContentType="image/jpeg")
