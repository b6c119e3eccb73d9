"""Which sites use the same names in Redis: each replica says so now and then, and `doctor` compares.

prew:site:<namespace>/<hash>     a site's description, for a minute

Two sites with one namespace give each other's pictures away.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from hashlib import sha256

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisError

from prewmanager.adapters.redis.client import translated
from prewmanager.adapters.redis.results import literal
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.tasks import background

_KEY_PREFIX = "prew:site:"
_EVERY_S = 20.0
_LIFE_S = 60


def announcing(redis: Redis | RedisCluster, namespace: str, site: str) -> AbstractAsyncContextManager[None]:
    """Keep a site's description in Redis inside the block; while Redis is away it may be missing."""
    return background(_announce(redis, namespace, site), "site")


async def _announce(redis: Redis | RedisCluster, namespace: str, site: str) -> None:
    key = f"{_KEY_PREFIX}{namespace}/{sha256(site.encode()).hexdigest()[:12]}"
    while True:
        with suppress(FlightStoreUnavailable):
            await translated(redis.set(key, site, ex=_LIFE_S), "the site was not announced")
        await asyncio.sleep(_EVERY_S)


async def sites(redis: Redis | RedisCluster, namespace: str) -> list[str]:
    """Return the descriptions of the sites that use this namespace. Raises `FlightStoreUnavailable`."""
    found = set()
    try:
        async for key in redis.scan_iter(match=f"{literal(f'{_KEY_PREFIX}{namespace}/')}*", count=1000):
            value = await redis.get(key)
            if isinstance(value, bytes):  # it may have expired
                found.add(value.decode())
    except (RedisError, OSError, TimeoutError) as error:
        raise FlightStoreUnavailable(f"Redis's keys could not be listed: {error}") from error
    return sorted(found)
