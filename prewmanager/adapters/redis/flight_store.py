"""The flight store in Redis: one key for a flight, and scripts that change it only for the holder of its token.

prew:flight:<bucket>/<preview key>@<preset fingerprint>
    blocked:<token>     for one lease, renewed
    result:… failed:…   until the result's TTL; deleting the key evicts the result at once

prew:completed          the channel on which the key of each completed flight is published
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import cast

import structlog
from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.redis.client import translated
from prewmanager.adapters.redis.codec import decode, encode_lease, encode_outcome
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Outcome

KEY_PREFIX = "prew:flight:"
CHANNEL = "prew:completed"

_log = structlog.get_logger(__name__)

# Compare and act in one step: a late holder neither deletes nor overwrites what another process has by now. Where the
# key is absent (the lease expired, or Redis lost it), acting is safe and saves the work.
_RENEW = """
local value = redis.call('GET', KEYS[1])
if value == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if value then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_COMPLETE = """
local value = redis.call('GET', KEYS[1])
if value and value ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[4], KEYS[1]) end
return 1
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '' then redis.call('PUBLISH', ARGV[2], KEYS[1]) end
return 1
"""
# The version, which is how a value begins, distinguishes a result from the next one under the same key.
_EVICT = """
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RedisFlightStore:
    """A `FlightStore` that all replicas share. Needs Redis 7.0 or newer (SET with NX and GET together)."""

    def __init__(
        self,
        redis: Redis | RedisCluster,
        notifications: RedisNotifications,
        *,
        namespace: str,
        lease_s: float,
        max_body_bytes: int,
    ) -> None:
        """`namespace` separates the flights of different preview buckets; `max_body_bytes` bounds an inlined body."""
        self._redis = redis
        self._notifications = notifications
        self._prefix = f"{KEY_PREFIX}{namespace}/"
        self._lease_ms = round(lease_s * 1000)
        self._max_body_bytes = max_body_bytes
        # On one server the script publishes. In a cluster the channel has a slot of its own, which a script on another
        # key may not touch.
        self._cluster = redis if isinstance(redis, RedisCluster) else None
        self._channel = "" if self._cluster else CHANNEL
        self._renew = redis.register_script(_RENEW)
        self._complete = redis.register_script(_COMPLETE)
        self._release = redis.register_script(_RELEASE)
        self._evict = redis.register_script(_EVICT)

    async def acquire(self, key: str) -> Lease | Completed | Held:
        """Acquire the lease, or return what Redis has, in one command. Raises `FlightStoreUnavailable`."""
        name = self._prefix + key
        self._notifications.expect(name)
        acquired: Lease | Completed | Held | None = None
        try:
            acquired = await self._acquire(name)
        finally:
            if not isinstance(acquired, Held):
                self._notifications.discard(name)
        return acquired

    async def try_acquire(self, key: str) -> Lease | None:
        """Acquire the lease if the key is absent, in one command. Raises `FlightStoreUnavailable`."""
        acquired = await self._acquire(self._prefix + key)
        return None if isinstance(acquired, Completed | Held) else acquired

    async def _acquire(self, name: str) -> Lease | Completed | Held:
        lease = encode_lease(secrets.token_hex(8))
        # NX with GET returns the present value, so a client that sent the command again because the reply was lost sees
        # its own token and knows that it has the lease.
        command = self._redis.execute_command("SET", name, lease, "NX", "GET", "PX", self._lease_ms, get=True)
        value = await translated(command, "a lease could not be acquired")
        if value is None or value == lease:
            return _RedisLease(self, name, lease)
        return decode(cast("bytes", value))

    async def evict(self, key: str, completed: Completed) -> None:
        """Delete an outcome that is still this version; while Redis is away, its TTL does that."""
        command = self._evict(keys=[self._prefix + key], args=[completed.version])
        with _logged():
            await translated(command, "a result could not be evicted")

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Return when a notification about the flight came, after `timeout_s` at the latest."""
        await self._notifications.wait(self._prefix + key, timeout_s)

    async def ping(self) -> None:
        """Return when Redis answers. Raises `FlightStoreUnavailable`."""
        await translated(self._redis.ping(), "no answer to PING")

    async def renew(self, name: str, lease: bytes) -> bool:
        """Part of the lease; unreachable is not lost, as the next renewal may get through."""
        with contextlib.suppress(FlightStoreUnavailable):
            command = self._renew(keys=[name], args=[lease, self._lease_ms])
            return bool(await translated(command, "a lease could not be renewed"))
        return True

    async def complete(self, name: str, lease: bytes, outcome: Outcome, ttl_s: float) -> bool:
        """Part of the lease."""
        value, completed = encode_outcome(outcome, self._max_body_bytes), False
        args: list[bytes | str | int] = [lease, value, max(1, round(ttl_s * 1000)), self._channel]
        with _logged():
            completed = bool(await translated(self._complete(keys=[name], args=args), "a result could not be written"))
            await self._publish(name)
        return completed

    async def release(self, name: str, lease: bytes) -> None:
        """Part of the lease."""
        with _logged():
            await translated(self._release(keys=[name], args=[lease, self._channel]), "a lease could not be released")
            await self._publish(name)

    async def _publish(self, name: str) -> None:
        if self._cluster is not None:
            await translated(self._cluster.spublish(CHANNEL, name), "a notification could not be published")


class _RedisLease:
    def __init__(self, flight_store: RedisFlightStore, name: str, lease: bytes) -> None:
        self._flight_store = flight_store
        self._name = name
        self._lease = lease

    async def renew(self) -> bool:
        return await self._flight_store.renew(self._name, self._lease)

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        return await self._flight_store.complete(self._name, self._lease, outcome, ttl_s)

    async def release(self) -> None:
        await self._flight_store.release(self._name, self._lease)


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Log that Redis is unavailable, and go on."""
    try:
        yield
    except FlightStoreUnavailable as error:
        _log.warning("flight_store.unavailable", error=str(error))
