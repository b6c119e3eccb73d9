"""A bucket of the local S3 through obstore, for whoever puts thousands of objects into it."""

from __future__ import annotations

from obstore.store import S3Store

from devstack.backends import S3


def object_store(s3: S3, bucket: str) -> S3Store:
    """The bucket, which need not be the one that `s3` came with."""
    return S3Store(
        bucket,
        endpoint=s3.endpoint,
        region=s3.region,
        access_key_id=s3.access_key,
        secret_access_key=s3.secret_key,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
