"""A bucket of the local S3 through obstore, for tests and benchmarks that store thousands of objects."""

from __future__ import annotations

from obstore.store import S3Store

from devstack.backends import S3


def object_store(s3: S3, bucket: str) -> S3Store:
    """Return a store for `bucket`, which may differ from `s3.bucket`."""
    return S3Store(
        bucket,
        endpoint=s3.endpoint,
        region=s3.region,
        access_key_id=s3.access_key,
        secret_access_key=s3.secret_key,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
