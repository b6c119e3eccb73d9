"""Stores more objects than a page of a listing, through obstore: a thousand take a second."""

from __future__ import annotations

from collections.abc import Iterable

import obstore

from devstack.backends import S3
from devstack.objects import object_store


def put_many(s3: S3, bucket: str, keys: Iterable[str], body: bytes = b"1") -> None:
    """Store the same bytes under each of these keys, which must not need encoding."""
    store = object_store(s3, bucket)
    for key in keys:
        obstore.put(store, key, body, use_multipart=False)
