"""Builds what tells the caches in front: the caches that PREW_PURGES names, and the purger of all."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp

from prewmanager.adapters.purges.cloudflare import Cloudflare
from prewmanager.adapters.purges.fastly import Fastly
from prewmanager.adapters.purges.http import open_session
from prewmanager.adapters.purges.nginx import Nginx
from prewmanager.config.purges import PurgedCache, caches_of
from prewmanager.config.settings import Settings
from prewmanager.purging.ports import Cache, PurgeObserver
from prewmanager.purging.purger import Purger


@contextlib.asynccontextmanager
async def open_caches(settings: Settings) -> AsyncIterator[list[Cache]]:
    """Open the caches that the settings name. Raises `InvalidSettings` if the AWS SDK cannot start."""
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_session())
        yield [await _opened(each, settings, http, stack) for each in caches_of(settings.purges or "")]


@contextlib.asynccontextmanager
async def open_purger(settings: Settings, observer: PurgeObserver) -> AsyncIterator[Purger]:
    """Open the purger of all caches; what is being told when the block ends has a moment."""
    async with open_caches(settings) as caches:
        observer.expect([each.name for each in caches])
        purger = Purger(caches, observer)
        try:
            yield purger
        finally:
            await purger.close(settings.shutdown_grace / 6)


async def _opened(
    cache: PurgedCache, settings: Settings, http: aiohttp.ClientSession, stack: contextlib.AsyncExitStack
) -> Cache:
    if cache.kind == "nginx":
        host, _, port = cache.id.rpartition(":")
        return Nginx(http, host.strip("[]"), int(port), settings.source_bucket if settings.source else "")
    if cache.kind == "cloudflare" and settings.cloudflare_token:
        token = settings.cloudflare_token.get_secret_value()
        return Cloudflare(http, cache.id, token=token, url=settings.cloudflare_url)
    if cache.kind == "fastly" and settings.fastly_token:
        return Fastly(http, cache.id, token=settings.fastly_token.get_secret_value(), url=settings.fastly_url)
    # Imported only here: the AWS SDK takes more memory than the rest of the service.
    from prewmanager.adapters.aws.cloudfront import CloudFront, cloudfront_client  # noqa: PLC0415 -- see above

    client = await stack.enter_async_context(cloudfront_client(region=settings.aws_region))
    return CloudFront(client, cache.id)
