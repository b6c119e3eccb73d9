"""The rate of resizes over all replicas and each client's share of it: `adapters.memory_quota` as a script.

prew:quota:<bucket>     a hash: `whole`, when the whole quota is available; one field for each client of late
"""

from __future__ import annotations

from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.memory_quota import MAX_CLIENTS, SHARE
from prewmanager.adapters.redis.client import Script

QUOTA_KEY_PREFIX = "prew:quota:"

# Redis's own clock, so that the replicas' clocks need not agree. Times are microseconds. An earlier version's value is
# a number, not a hash.
_CONSUME = f"""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local step, burst, client = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
if redis.call('TYPE', KEYS[1]).ok == 'string' then redis.call('DEL', KEYS[1]) end
local function at(field) return math.max(tonumber(redis.call('HGET', KEYS[1], field) or now), now) end
local function set(field, value) redis.call('HSET', KEYS[1], field, string.format('%.0f', value)) end
local whole = at('whole')
local left = burst - (whole - now) / step
local wait = (1 - left) * step
local field, decayed, share = 'c:' .. client, now, step
if client ~= '' then
  if redis.call('HEXISTS', KEYS[1], field) == 0 then
    local all = redis.call('HGETALL', KEYS[1])
    for i = 1, #all, 2 do
      if tonumber(all[i + 1]) <= now then redis.call('HDEL', KEYS[1], all[i]) end
    end
    if redis.call('HLEN', KEYS[1]) > {MAX_CLIENTS} then field = 'c:others' end
  end
  decayed = at(field)
  set('whole', whole)
  set(field, decayed)
  share = step * (redis.call('HLEN', KEYS[1]) - 1)
  local used = (decayed - now) / share
  if used > 0 then
    wait = math.max(wait, (used + 1 - {SHARE} * left) / (1 / share + {SHARE} / step))
  end
end
local kept = math.max(whole + step, decayed + share) - now
if wait <= 0 then
  set('whole', whole + step)
  if client ~= '' then set(field, decayed + share) end
end
redis.call('PEXPIRE', KEYS[1], math.ceil(kept / 1000) + 1000)
if wait > 0 then return math.ceil(wait) end
return 0
"""
_IS_WHOLE = """
local time = redis.call('TIME')
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return 1 end
return tonumber(redis.call('HGET', KEYS[1], 'whole') or '0') <= time[1] * 1000000 + time[2] and 1 or 0
"""


class RedisQuota:
    """A `Quota` over all processes that use the same Redis and namespace."""

    def __init__(self, redis: Redis | RedisCluster, namespace: str, per_second: float, burst: int) -> None:
        """`per_second` in the long run, and at most `burst` at once."""
        self._consume = Script(redis, _CONSUME)
        self._is_whole = Script(redis, _IS_WHOLE)
        self._key = f"{QUOTA_KEY_PREFIX}{namespace}"
        self._arguments = [round(1_000_000 / per_second), burst]

    async def consume(self, client: str) -> float:
        """Use one resize and return 0, or return the seconds until there is one. Raises `FlightStoreUnavailable`."""
        wait_us = await self._consume(self._key, *self._arguments, client, failed="the quota is out of reach")
        return int(str(wait_us)) / 1_000_000

    async def is_whole(self) -> bool:
        """Whether nothing of the quota is in use. Raises `FlightStoreUnavailable`."""
        return bool(await self._is_whole(self._key, failed="the quota is out of reach"))
