"""Cached results in Redis, counted and evicted by the key of the preview."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisError

from prewmanager.adapters.redis.client import Script, translated
from prewmanager.adapters.redis.flight_store import KEY_PREFIX
from prewmanager.adapters.redis.photo_faults import photo_name
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.previews.inventory import Wanted

_AT_ONCE = 32
_SCAN_COUNT = 1000  # keys that Redis scans before it serves others
# A lease stays: without it another replica would render the preview a second time.
_COMPLETED = """
local kind = redis.call('GETRANGE', KEYS[1], 0, 7)
if kind == '' or kind == 'blocked:' then return 0 end
if ARGV[1] == 'evict' then return redis.call('DEL', KEYS[1]) end
return 1
"""


class RedisResultCache:
    """A `ResultCache` of the flights of one preview bucket."""

    def __init__(self, redis: Redis | RedisCluster, *, namespace: str) -> None:
        """`namespace` is the flight store's."""
        self._redis = redis
        self._namespace = namespace
        self._prefix = f"{KEY_PREFIX}{namespace}/"
        self._completed = Script(redis, _COMPLETED)

    async def count(self, wanted: Wanted) -> int:
        """Count the results of previews whose key is wanted. Raises `FlightStoreUnavailable`."""
        return await self._each(wanted, "count")

    async def evict(self, wanted: Wanted) -> int:
        """Delete them, and return how many; leases are left alone. Raises `FlightStoreUnavailable`."""
        return await self._each(wanted, "evict")

    async def evict_fault(self, photo_key: str) -> None:
        """Delete what is known of a photo, such as that it is missing. Raises `FlightStoreUnavailable`."""
        await translated(self._redis.delete(photo_name(self._namespace, photo_key)), "a photo's fault was not deleted")

    async def ping(self) -> None:
        """Return when Redis answers. Raises `FlightStoreUnavailable`."""
        await translated(self._redis.ping(), "no answer to PING")

    async def _each(self, wanted: Wanted, action: str) -> int:
        done, batch = 0, list[bytes]()
        async for name in self._names(wanted):
            batch.append(name)
            if len(batch) == _AT_ONCE:
                done += await self._run(batch, action)
                batch = []
        return done + await self._run(batch, action)

    async def _run(self, names: list[bytes], action: str) -> int:
        calls = [self._completed(name, action, failed=f"could not {action} results") for name in names]
        return sum(cast("list[int]", await asyncio.gather(*calls)))

    async def _names(self, wanted: Wanted) -> AsyncIterator[bytes]:
        """Yield the keys of flights whose preview is wanted; SCAN may return one twice."""
        pattern = f"{literal(self._prefix)}*"
        try:
            async for name in self._redis.scan_iter(match=pattern, count=_SCAN_COUNT):
                if wanted(name.decode().removeprefix(self._prefix).rpartition("@")[0]):
                    yield name
        except (RedisError, OSError, TimeoutError) as error:
            raise FlightStoreUnavailable(f"Redis's keys could not be listed: {error}") from error


def literal(text: str) -> str:
    """Return a SCAN pattern that matches this text alone."""
    return "".join(f"\\{each}" if each in "*?[]\\" else each for each in text)
