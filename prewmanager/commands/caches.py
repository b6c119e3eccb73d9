"""The caches in front of previews: nginx's, where its folder is on this machine, and CloudFront."""

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

# https://aws.amazon.com/cloudfront/pricing/: so many paths a month are free, and what each further one is.
FREE_PATHS = 1000
PATH_USD = 0.005


@dataclass(frozen=True, slots=True)
class CachedCopies:
    """Copies in nginx's cache, and CloudFront's paths; None where there is no such cache."""

    nginx: int | None
    cloudfront: list[str] | None


async def purge_caches(
    settings: Settings, targets: Sequence[Target], nginx_cache: Path | None, *, really: bool
) -> CachedCopies:
    """Delete the copies of these previews, or only say what would be. Raises `CacheUnavailable`.

    CloudFront comes last: it fills itself from nginx.
    """
    copies = None
    if nginx_cache is not None:
        cache = NginxCache(nginx_cache)
        act = cache.purge if really else cache.count
        # The key in nginx's cache begins with the bucket, in path style.
        starts = {"", settings.preview_bucket_name}
        copies = await asyncio.to_thread(act, lambda key: any(_names(each, key, starts) for each in targets))
    if settings.cloudfront_distribution is None:
        return CachedCopies(copies, None)
    paths = invalidation_paths(targets)
    if really:
        async with cloudfront_client(region=settings.aws_region) as client:
            await CloudFront(client, settings.cloudfront_distribution).invalidate(paths)
    return CachedCopies(copies, paths)


def _names(target: Target, key: str, buckets: set[str]) -> bool:
    bucket, _, rest = key.removeprefix("/").partition("/")
    return target.has(rest if bucket in buckets else key.removeprefix("/"))


def invalidation_paths(targets: Sequence[Target]) -> list[str]:
    """One path for each target; what nginx chooses by `Accept` has the path of the preset that was asked for."""
    paths: dict[str, None] = {}
    for target in targets:
        prefix, preset, name = target.start.split("/", 2)
        for public in (preset, preset.partition(".")[0]):
            paths[f"/{quote(f'{prefix}/{public}/{name}')}{'' if target.exact else '*'}"] = None
    return list(paths)
