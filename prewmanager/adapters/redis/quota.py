"""The rate of resizes over all replicas: the generic cell rate algorithm (`adapters.memory_quota`) as a script."""

from __future__ import annotations

from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.redis.client import Script

QUOTA_KEY_PREFIX = "prew:quota:"

# Redis's own clock, so that the replicas' clocks need not agree. Times are microseconds.
_CONSUME = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local step, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local whole = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + step
local wait = whole - burst * step - now
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', math.ceil((whole - now) / 1000) + 1000)
return 0
"""


class RedisQuota:
    """A `Quota` over all processes that use the same Redis and namespace."""

    def __init__(self, redis: Redis | RedisCluster, namespace: str, per_second: float, burst: int) -> None:
        """`per_second` in the long run, and at most `burst` at once."""
        self._consume = Script(redis, _CONSUME)
        self._key = f"{QUOTA_KEY_PREFIX}{namespace}"
        self._arguments = [round(1_000_000 / per_second), burst]

    async def consume(self) -> float:
        """Use one resize and return 0, or return the seconds until there is one. Raises `FlightStoreUnavailable`."""
        wait_us = await self._consume(self._key, *self._arguments, failed="the quota is out of reach")
        return int(str(wait_us)) / 1_000_000
