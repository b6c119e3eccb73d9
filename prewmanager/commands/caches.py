"""The caches in front of previews: nginx's, if its folder is on this machine, and CloudFront."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from prewmanager.adapters.aws.cloudfront import CloudFront, cloudfront_client
from prewmanager.adapters.nginx_cache import NginxCache
from prewmanager.commands.arguments import Target
from prewmanager.config.settings import Settings

# https://aws.amazon.com/cloudfront/pricing/: the paths that are free each month, and the price of each further one.
FREE_PATHS = 1000
PATH_USD = 0.005


@dataclass(frozen=True, slots=True)
class CachedCopies:
    """The number of copies in nginx's cache, and CloudFront's paths; None for a cache that is not in use."""

    nginx: int | None
    cloudfront: list[str] | None


async def purge_caches(
    settings: Settings, targets: Sequence[Target], nginx_cache: Path | None, *, really: bool
) -> CachedCopies:
    """Delete the caches' copies of these previews, or only count them. Raises `CacheUnavailable`.

    CloudFront comes last: it fetches from nginx.
    """
    copies = None
    if nginx_cache is not None:
        cache = NginxCache(nginx_cache)
        purge_or_count = cache.purge if really else cache.count
        # The key in nginx's cache begins with the bucket, in path style.
        buckets = {"", settings.preview_bucket_name}
        copies = await asyncio.to_thread(
            purge_or_count, lambda key: any(_is_copy(key, buckets, each) for each in targets)
        )
    if settings.cloudfront_distribution is None:
        return CachedCopies(copies, None)
    paths = invalidation_paths(targets)
    if really:
        async with cloudfront_client(region=settings.aws_region) as client:
            await CloudFront(client, settings.cloudfront_distribution).invalidate(paths)
    return CachedCopies(copies, paths)


def _is_copy(key: str, buckets: set[str], target: Target) -> bool:
    bucket, _, rest = key.removeprefix("/").partition("/")
    return target.has(rest if bucket in buckets else key.removeprefix("/"))


def invalidation_paths(targets: Sequence[Target]) -> list[str]:
    """List the public paths of these targets; a format that nginx chose by `Accept` has its preset's own path."""
    paths: dict[str, None] = {}
    for target in targets:
        prefix, preset, name = target.start.split("/", 2)
        for public in (preset, preset.partition(".")[0]):
            paths[f"/{quote(f'{prefix}/{public}/{name}')}{'' if target.exact else '*'}"] = None
    return list(paths)
