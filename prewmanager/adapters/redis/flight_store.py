"""The flight store in Redis: one key for a flight, and scripts that change it only for the holder of its token.

prew:flight:<bucket>/<preview key>@<preset fingerprint>
    blocked:<token>:<end>   the lease, which ends at this time (Redis's own, in milliseconds since 1970), renewed
    result:… failed:…       until the result's TTL; deleting the key evicts the result at once

prew:completed              the channel on which the key of each completed flight is published

The lease's key outlives its end, and any result: a full Redis evicts first what expires first (`volatile-ttl`), and an
evicted lease costs a second rendering, an evicted result a request to S3.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from typing import cast

import structlog
from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.redis.client import PROBE_KEY, Script, translated
from prewmanager.adapters.redis.codec import UnreadableValue, decode, encode_outcome
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Outcome

KEY_PREFIX = "prew:flight:"
CHANNEL = "prew:completed"

_MAX_UNREADABLE = 1000
_log = structlog.get_logger(__name__)

# Compare and act in one step: a late holder neither deletes nor overwrites what another process has by now. Where the
# key is absent (Redis lost or evicted it), acting is safe and saves the work.
_LEASE = """
local value = redis.call('GETRANGE', KEYS[1], 0, 63)
local token, ends = string.match(value, '^blocked:(%x+):?(%d*)$')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local free = value == '' or token == ARGV[1]
local function hold()
  local lease = string.format('blocked:%s:%.0f', ARGV[1], now + ARGV[2])
  redis.call('SET', KEYS[1], lease, 'PX', ARGV[3])
end
"""
# A client that sends the command again because the reply was lost finds its own token, and has the lease.
_ACQUIRE = f"""{_LEASE}
if not free and (tonumber(ends or '') or math.huge) > now then return redis.call('GET', KEYS[1]) end
hold()
return false
"""
_RENEW = f"""{_LEASE}
if not free then return 0 end
hold()
return 1
"""
# Bodies take no more than half of Redis's memory: above that, a result goes without, and is streamed from S3.
_COMPLETE = f"""{_LEASE}
if not free then return 0 end
local result = ARGV[2]
if #ARGV[2] > #ARGV[5] then
  local info = redis.pcall('INFO', 'memory')
  local memory = type(info) == 'string' and info or ''
  local function bytes(field) return tonumber(string.match(memory, '\\n' .. field .. ':(%d+)') or '0') end
  local most = bytes('maxmemory') > 0 and bytes('maxmemory') or bytes('total_system_memory')
  if most > 0 and bytes('used_memory') + #result > most / 2 then result = ARGV[5] end
end
redis.call('SET', KEYS[1], result, 'PX', ARGV[3])
if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[4], KEYS[1]) end
return 1
"""
_RELEASE = f"""{_LEASE}
if value == '' or not free then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '' then redis.call('PUBLISH', ARGV[2], KEYS[1]) end
return 1
"""
# The version, which is how a value begins, distinguishes a result from the next one under the same key.
_EVICT = """
if ARGV[1] == '' then
  if redis.call('GETRANGE', KEYS[1], 0, 7) == 'blocked:' then return 1 end
elseif redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 1 end
if ARGV[2] ~= '' and redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RedisFlightStore:
    """A `FlightStore` that all replicas share. Needs Redis 7.0 or newer."""

    def __init__(
        self,
        redis: Redis | RedisCluster,
        notifications: RedisNotifications,
        *,
        namespace: str,
        lease_s: float,
        lock_ttl_s: float,
        longest_result_s: float,
        max_body_bytes: int,
    ) -> None:
        """`namespace` separates the flights of different preview buckets; `max_body_bytes` bounds an inlined body.

        `longest_result_s` is the longest life of a result, which the key of a lease outlives.
        """
        self._redis = redis
        self._notifications = notifications
        self._prefix = f"{KEY_PREFIX}{namespace}/"
        self._lease_ms = round(lease_s * 1000)
        self._key_ms = round((lease_s + longest_result_s) * 1000)
        self._lock_ttl_s = lock_ttl_s
        self._max_body_bytes = max_body_bytes
        # On one server the script publishes. In a cluster the channel has a slot of its own, which a script on another
        # key may not touch.
        self._cluster = redis if isinstance(redis, RedisCluster) else None
        self._channel = "" if self._cluster else CHANNEL
        self._acquire = Script(redis, _ACQUIRE)
        self._renew = Script(redis, _RENEW)
        self._complete = Script(redis, _COMPLETE)
        self._release = Script(redis, _RELEASE)
        self._evict = Script(redis, _EVICT)
        # When a value that cannot be read was first seen, by key.
        self._unreadable: OrderedDict[str, float] = OrderedDict()

    async def acquire(self, key: str) -> Lease | Completed | Held:
        """Acquire the lease, or return what Redis has, in one command. Raises `FlightStoreUnavailable`."""
        name, token = self._prefix + key, secrets.token_hex(8)
        args = (token, self._lease_ms, self._key_ms)
        value = await self._acquire(name, *args, failed="a lease could not be acquired")
        try:
            acquired = _RedisLease(self, name, token) if value is None else decode(cast("bytes", value))
        except UnreadableValue as error:
            return self._held_at_first(name, error)
        self._unreadable.pop(name, None)
        return acquired

    def _held_at_first(self, name: str, error: UnreadableValue) -> Held:
        """Take another version's value for a lease, for as long as one may last; then the flight goes without Redis."""
        now = asyncio.get_running_loop().time()
        seen = self._unreadable.setdefault(name, now)
        while len(self._unreadable) > _MAX_UNREADABLE:
            self._unreadable.popitem(last=False)
        if now - seen < self._lock_ttl_s:
            return Held()
        raise FlightStoreUnavailable(f"a flight's value cannot be read: {error}") from error

    def watching(self, key: str) -> contextlib.AbstractContextManager[None]:
        """Take part in a flight: notifications about it are recorded."""
        return self._notifications.expecting(self._prefix + key)

    async def evict(self, key: str, completed: Completed | None, *, left_s: float = math.inf) -> bool:
        """Delete an outcome, if it is still this version; while Redis is away, its TTL does that.

        Raises `FlightStoreUnavailable` where any version shall go: who asks for that tries again.
        """
        left_ms = "" if math.isinf(left_s) else max(0, round(left_s * 1000))
        args = (completed.version if completed else b"", left_ms)
        evicted: object = True
        with _logged() if completed else contextlib.nullcontext():
            evicted = await self._evict(self._prefix + key, *args, failed="a result could not be evicted")
        return bool(evicted)

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Return when a notification about the flight came, after `timeout_s` at the latest."""
        await self._notifications.wait(self._prefix + key, timeout_s)

    async def ping(self) -> None:
        """Return when Redis accepts a write, and each node of a cluster answers. Raises `FlightStoreUnavailable`."""
        await translated(self._redis.set(PROBE_KEY, b"", px=1000), "a write failed")
        if self._cluster is not None:
            await translated(self._cluster.ping(target_nodes=RedisCluster.PRIMARIES), "no answer to PING")

    async def renew(self, name: str, token: str) -> bool:
        """Part of the lease; unreachable is not lost, as the next renewal may get through."""
        with contextlib.suppress(FlightStoreUnavailable):
            args = (token, self._lease_ms, self._key_ms)
            return bool(await self._renew(name, *args, failed="a lease could not be renewed"))
        return True

    async def complete(self, name: str, token: str, outcome: Outcome, ttl_s: float) -> bool:
        """Part of the lease."""
        value, without_body = (encode_outcome(outcome, most) for most in (self._max_body_bytes, 0))
        args = (token, value, max(1, round(ttl_s * 1000)), self._channel, without_body)
        completed = False
        with _logged():
            completed = bool(await self._complete(name, *args, failed="a result could not be written"))
            await self._publish(name)
        return completed

    async def release(self, name: str, token: str) -> None:
        """Part of the lease."""
        with _logged():
            await self._release(name, token, self._channel, failed="a lease could not be released")
            await self._publish(name)

    async def _publish(self, name: str) -> None:
        if self._cluster is not None:
            await translated(self._cluster.spublish(CHANNEL, name), "a notification could not be published")


class _RedisLease:
    def __init__(self, flight_store: RedisFlightStore, name: str, token: str) -> None:
        self._flight_store = flight_store
        self._name = name
        self._token = token

    async def renew(self) -> bool:
        return await self._flight_store.renew(self._name, self._token)

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        return await self._flight_store.complete(self._name, self._token, outcome, ttl_s)

    async def release(self) -> None:
        await self._flight_store.release(self._name, self._token)


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Log that Redis is unavailable, and go on."""
    try:
        yield
    except FlightStoreUnavailable as error:
        _log.warning("flight_store.unavailable", error=str(error))
