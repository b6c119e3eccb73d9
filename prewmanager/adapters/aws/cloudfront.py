"""Invalidates CloudFront's copies of previews, by path."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from prewmanager.adapters.aws.opening import sdk_client
from prewmanager.errors import CacheUnavailable

# CloudFront allows 3,000 paths in progress at once, 15 of them with a *; smaller requests leave room for others.
MOST_PATHS = 1000
_CONNECT_S = 3


class CloudFront:
    """One distribution."""

    def __init__(self, client: Any, distribution: str) -> None:
        """`client` is a `cloudfront_client`."""
        self._client = client
        self._distribution = distribution

    async def invalidate(self, paths: Sequence[str]) -> None:
        """Request the invalidation of percent-encoded paths, each of which may end with a *.

        CloudFront completes it some minutes later. Raises `CacheUnavailable`.
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
