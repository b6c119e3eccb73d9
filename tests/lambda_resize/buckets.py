"""A bucket of a test's own, beside the one that all tests share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from devstack.backends import S3, s3_client
from lambda_resize import cleaner


@contextlib.contextmanager
def own_bucket(s3: S3, name: str) -> Iterator[Any]:
    """Create a bucket and yield a client; delete it with all that is in it. The cleaner connects anew for it."""
    cleaner._s3.cache_clear()
    client = s3_client(s3)
    client.create_bucket(Bucket=name)
    yield client
    for found in client.list_objects_v2(Bucket=name).get("Contents", []):
        client.delete_object(Bucket=name, Key=found["Key"])
    client.delete_bucket(Bucket=name)
    cleaner._s3.cache_clear()
