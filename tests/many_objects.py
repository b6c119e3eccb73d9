"""More objects than a page of a listing, put through obstore: a thousand of them take a second."""

from __future__ import annotations

from collections.abc import Iterable

import obstore
from obstore.store import S3Store

from devstack.backends import S3


def put_many(s3: S3, bucket: str, keys: Iterable[str], body: bytes = b"1") -> None:
    """Store the same bytes under each of these keys, which must be plain ones."""
    store = S3Store(
        bucket,
        endpoint=s3.endpoint,
        region=s3.region,
        access_key_id=s3.access_key,
        secret_access_key=s3.secret_key,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    for key in keys:
        obstore.put(store, key, body, use_multipart=False)
