"""What Redis remembers of flights that have ended, counted and forgotten by the key of the preview."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisError

from prewmanager.adapters.redis.commands import answered
from prewmanager.adapters.redis.flight_store import KEY_PREFIX
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.previews.inventory import Wanted

_AT_ONCE = 32
_SCAN_COUNT = 1000  # keys that Redis looks at before it lets others in
# A flight under way keeps its lease: without it another replica would make the preview a second time.
_ENDED = """
local kind = redis.call('GETRANGE', KEYS[1], 0, 7)
if kind == '' or kind == 'blocked:' then return 0 end
if ARGV[1] == 'forget' then return redis.call('DEL', KEYS[1]) end
return 1
"""


class RedisResultCache:
    """A `ResultCache` of the flights of one preview bucket."""

    def __init__(self, redis: Redis | RedisCluster, *, namespace: str) -> None:
        """`namespace` is the board's."""
        self._redis = redis
        self._prefix = f"{KEY_PREFIX}{namespace}/"
        self._ended: Callable[..., Awaitable[object]] = redis.register_script(_ENDED)

    async def count(self, wanted: Wanted) -> int:
        """How many there are for previews whose key is wanted. Raises `FlightStoreUnavailable`."""
        return await self._each(wanted, "count")

    async def evict(self, wanted: Wanted) -> int:
        """Forget them, and say how many; a flight under way is left alone. Raises `FlightStoreUnavailable`."""
        return await self._each(wanted, "forget")

    async def drop(self, flight_key: str) -> None:
        """Forget the outcome of one flight, unless it is under way. Raises `FlightStoreUnavailable`."""
        await self._act([f"{self._prefix}{flight_key}".encode()], "forget")

    async def ping(self) -> None:
        """Return when Redis answers. Raises `FlightStoreUnavailable`."""
        await answered(self._redis.ping(), "no answer to PING")

    async def _each(self, wanted: Wanted, action: str) -> int:
        done, batch = 0, list[bytes]()
        async for name in self._names(wanted):
            batch.append(name)
            if len(batch) == _AT_ONCE:
                done += await self._act(batch, action)
                batch = []
        return done + await self._act(batch, action)

    async def _act(self, names: list[bytes], action: str) -> int:
        calls = [answered(self._ended(keys=[name], args=[action]), f"could not {action} results") for name in names]
        return sum(cast("list[int]", await asyncio.gather(*calls)))

    async def _names(self, wanted: Wanted) -> AsyncIterator[bytes]:
        """The keys of flights whose preview is wanted; SCAN may tell one twice."""
        pattern = f"{_literal(self._prefix)}*"
        try:
            async for name in self._redis.scan_iter(match=pattern, count=_SCAN_COUNT):
                if wanted(name.decode().removeprefix(self._prefix).rpartition("@")[0]):
                    yield name
        except (RedisError, OSError, TimeoutError) as error:
            raise FlightStoreUnavailable(f"Redis's keys could not be listed: {error}") from error


def _literal(text: str) -> str:
    """A pattern that matches this text alone."""
    return "".join(f"\\{each}" if each in "*?[]\\" else each for each in text)
