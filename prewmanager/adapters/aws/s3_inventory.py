"""Listings and deletions through the AWS SDK.

obstore is faster, but fails a whole listing at one key that it cannot express (a newline, an empty segment); old
buckets have such keys.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from prewmanager.adapters.aws.opening import sdk_client
from prewmanager.errors import StorageFailed
from prewmanager.previews.inventory import ListedPage, StoredObject

MAX_BATCH = 1000  # keys in one DeleteObjects request, S3's limit
_SDK_CHECKSUMS = ("x-amz-checksum-", "x-amz-sdk-checksum-")


class S3Inventory:
    """An `Inventory` of one bucket."""

    def __init__(self, client: Any, bucket: str, *, deletes_under: str | None = None) -> None:
        """`client` is an `s3_client`; only keys under `deletes_under` can be deleted, none if it is None."""
        if deletes_under is not None and not deletes_under.endswith("/"):
            raise ValueError(f"deletes_under={deletes_under!r} does not end with a slash")
        self._client = client
        self._bucket = bucket
        self._deletes_under = deletes_under

    async def objects(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Yield objects whose key begins with `prefix`, a thousand per request. Raises `StorageFailed`."""
        async for page in self._pages(Prefix=prefix):
            for item in page.get("Contents", ()):
                yield _stored(item)

    async def page(self, prefix: str, limit: int, token: str | None) -> ListedPage:
        """Return at most `limit` objects whose key begins with `prefix`, in one request. Raises `StorageFailed`."""
        continuation = {"ContinuationToken": token} if token else {}
        with _translated(self._bucket):
            answer = await self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=prefix, MaxKeys=limit, **continuation
            )
        return ListedPage([_stored(each) for each in answer.get("Contents", ())], answer.get("NextContinuationToken"))

    async def folders(self, prefix: str) -> AsyncIterator[str]:
        """Yield the next segments of the keys under `prefix`, which ends with a slash. Raises `StorageFailed`."""
        async for page in self._pages(Prefix=prefix, Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                yield item["Prefix"].removeprefix(prefix).removesuffix("/")

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, a thousand per request.

        Raises `StorageFailed`, and `ValueError` before anything is deleted if a key is not under `deletes_under`.
        """
        for key in keys:
            if self._deletes_under is None or not key.startswith(self._deletes_under):
                raise ValueError(f"{key}: refused: only keys under {self._deletes_under or 'nothing'} can be deleted")
        for start in range(0, len(keys), MAX_BATCH):
            batch = [{"Key": key} for key in keys[start : start + MAX_BATCH]]
            with _translated(self._bucket):
                answer = await self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True}
                )
            for error in answer.get("Errors", ()):
                raise StorageFailed(f"{self._bucket}/{error['Key']}: not deleted, {error['Code']}")

    async def _pages(self, **parameters: str) -> AsyncIterator[dict[str, Any]]:
        # Pages follow S3's token. With StartAfter, a server that is not Amazon's may apply an order of its own and omit
        # objects (SeaweedFS does).
        with _translated(self._bucket):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, **parameters)
            async for page in pages:
                yield page


def _stored(item: dict[str, Any]) -> StoredObject:
    return StoredObject(item["Key"], item["Size"], item["LastModified"], item.get("ETag", "").strip('"'))


@contextlib.asynccontextmanager
async def s3_client(*, region: str, endpoint_url: str | None, max_connections: int = 10) -> AsyncIterator[Any]:
    """Open an aiobotocore S3 client; an endpoint that is not Amazon's is addressed path-style."""
    config = AioConfig(
        retries={"total_max_attempts": 4, "mode": "standard"},
        max_pool_connections=max_connections,
        connect_timeout=3,
        read_timeout=60,
        s3={"addressing_style": "path" if endpoint_url else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with sdk_client("s3", region=region, endpoint_url=endpoint_url, config=config) as client:
        client.meta.events.register("before-sign.s3.DeleteObjects", _with_content_md5)
        yield client


def _with_content_md5(request: Any, **_: object) -> None:
    """Replace the SDK's CRC32 by the checksum that every store knows: some demand it, some refuse the other."""
    for name in [each for each in request.headers if each.lower().startswith(_SDK_CHECKSUMS)]:
        del request.headers[name]
    digest = hashlib.md5(request.body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode()


@contextlib.contextmanager
def _translated(bucket: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, OSError) as error:
        raise StorageFailed(f"{bucket}: {error}") from error
