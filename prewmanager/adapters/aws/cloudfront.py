"""Invalidates CloudFront's copies of previews, by tag and by path.

A tag is a path that begins with #: invalidation-by-tags.html of docs.aws.amazon.com/AmazonCloudFront/latest/
DeveloperGuide. The distribution names the header of the tags, `x-amz-meta-cache-tag`, in its `CacheTagConfig`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from prewmanager.adapters.aws.opening import sdk_client
from prewmanager.errors import CacheUnavailable
from prewmanager.purging.copies import Copies

# CloudFront allows 3,000 paths in progress at once, 15 of them with a *; smaller requests leave room for others.
MOST_PATHS = 1000
_CONNECT_S = 3


class CloudFront:
    """A `Cache`: one distribution. Each tag and each path is paid for."""

    is_behind = False
    is_billed = True

    def __init__(self, client: Any, distribution: str) -> None:
        """`client` is a `cloudfront_client`."""
        self._client = client
        self._distribution = distribution
        self.name = f"cloudfront:{distribution}"

    async def purge(self, copies: Copies) -> None:
        """Invalidate by tag, and by path what may have none. Raises `CacheUnavailable`."""
        tags = [f"#{tag}" for tag in copies.tags if tag not in copies.covered]
        await self.invalidate([*tags, *copies.paths])

    async def invalidate(self, paths: Sequence[str]) -> None:
        """Request the invalidation of percent-encoded paths, each of which may end with a *, and of tags after a #.

        CloudFront completes it some seconds later. Raises `CacheUnavailable`.
        """
        for start in range(0, len(paths), MOST_PATHS):
            items = list(paths[start : start + MOST_PATHS])
            batch = {"Paths": {"Quantity": len(items), "Items": items}, "CallerReference": uuid4().hex}
            try:
                await self._client.create_invalidation(DistributionId=self._distribution, InvalidationBatch=batch)
            except (BotoCoreError, ClientError, OSError) as error:
                raise CacheUnavailable(f"CloudFront distribution {self._distribution}: {error}") from error


def cloudfront_client(*, region: str) -> AbstractAsyncContextManager[Any]:
    """Open an aiobotocore client; the SDK itself reads `AWS_ENDPOINT_URL_CLOUDFRONT`."""
    config = AioConfig(retries={"total_max_attempts": 4, "mode": "standard"}, connect_timeout=_CONNECT_S)
    return sdk_client("cloudfront", region=region, endpoint_url=None, config=config)
