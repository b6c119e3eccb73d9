"""How many resizes a second: the generic cell rate algorithm, for one process and for all that share a Redis.

One number is kept: the time at which the quota would be whole again. Each resize moves it by 1 / rate; a resize is
allowed while that stays within `burst` steps from now.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.redis.commands import answered

QUOTA_KEY_PREFIX = "prew:quota:"

# Redis's own clock, so that the replicas' clocks need not agree. Times are microseconds.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local step, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local whole = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + step
local wait = whole - burst * step - now
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', math.ceil((whole - now) / 1000) + 1000)
return 0
"""


class MemoryQuota:
    """A `Quota` for this process."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`per_second` in the long run, and at most `burst` at once."""
        self._step_s = 1 / per_second
        self._burst = burst
        self._clock = clock
        self._whole_at = -math.inf

    async def consume(self) -> float:
        """Take one: 0, or the seconds until there is one."""
        now = self._clock()
        whole_at = max(self._whole_at, now) + self._step_s
        wait_s = whole_at - self._burst * self._step_s - now
        if wait_s > 1e-9:  # noqa: PLR2004 -- what rounding leaves over
            return wait_s
        self._whole_at = whole_at
        return 0.0


class RedisQuota:
    """A `Quota` over all processes that use the same Redis and namespace."""

    def __init__(self, redis: Redis | RedisCluster, namespace: str, per_second: float, burst: int) -> None:
        """`per_second` in the long run, and at most `burst` at once."""
        self._take = redis.register_script(_TAKE)
        self._key = f"{QUOTA_KEY_PREFIX}{namespace}"
        self._arguments = [round(1_000_000 / per_second), burst]

    async def consume(self) -> float:
        """Take one: 0, or the seconds until there is one. Raises `FlightStoreUnavailable`."""
        wait_us = await answered(self._take(keys=[self._key], args=self._arguments), "the quota could not be asked")
        return int(str(wait_us)) / 1_000_000
