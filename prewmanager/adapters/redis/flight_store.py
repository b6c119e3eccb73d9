"""The flight board in Redis: one key for a flight, and scripts that change it only for the holder of its token.

prew:flight:<bucket>/<preview key>@<preset fingerprint>
    blocked:<token>     for one lease, renewed
    result:… failed:…   for the outcome's lifetime; deleting the key forgets it at once

prew:landed             the channel on which the key of each flight that ended is published
"""

from __future__ import annotations

import secrets
from typing import Protocol, cast

import structlog
from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.redis.codec import decode, encode_holder, encode_outcome
from prewmanager.adapters.redis.commands import answered
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import Completed, Held, Lease, Outcome

KEY_PREFIX = "prew:flight:"
CHANNEL = "prew:landed"

_log = structlog.get_logger(__name__)

# Compare and act in one step: a late holder neither releases nor overwrites what another one has by now. Where nobody
# has it (the lease ended, or Redis lost it), acting is safe and saves the work.
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
# The mark, which is a value's beginning, tells a preview from the next one under the same key.
_EVICT = """
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class Notifications(Protocol):
    """Tells when a flight may have changed."""

    def expect(self, key: str) -> None:
        """Note messages about this key from now on."""
        ...

    def discard(self, key: str) -> None:
        """Stop noting messages about this key."""
        ...

    async def wait(self, key: str, timeout_s: float) -> None:
        """Return when a message about an expected key came, at the latest after `timeout_s`; then forget it."""
        ...


class RedisFlightStore:
    """A `FlightStore` that all replicas share. Needs Redis 7.0 or newer (SET with NX and GET together)."""

    def __init__(
        self,
        redis: Redis | RedisCluster,
        notifications: Notifications,
        *,
        namespace: str,
        lease_s: float,
        max_body_bytes: int,
    ) -> None:
        """`namespace` keeps the flights of different preview buckets apart; `max_body_bytes` bounds a result's body."""
        self._redis = redis
        self._notifications = notifications
        self._prefix = f"{KEY_PREFIX}{namespace}/"
        self._lease_ms = round(lease_s * 1000)
        self._max_body_bytes = max_body_bytes
        # On one server the script publishes. In a cluster the channel has a slot of its own, which no script about
        # another key may touch.
        self._cluster = redis if isinstance(redis, RedisCluster) else None
        self._channel = "" if self._cluster else CHANNEL
        self._renew = redis.register_script(_RENEW)
        self._complete = redis.register_script(_COMPLETE)
        self._release = redis.register_script(_RELEASE)
        self._evict = redis.register_script(_EVICT)

    async def acquire(self, key: str) -> Lease | Completed | Held:
        """Take the flight, or say what is known of it, in one command. Raises `FlightStoreUnavailable`."""
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
        """Take the flight where it is free, in one command, expecting no news of it. Raises `FlightStoreUnavailable`."""
        acquired = await self._acquire(self._prefix + key)
        return None if isinstance(acquired, Completed | Held) else acquired

    async def _acquire(self, name: str) -> Lease | Completed | Held:
        mine = encode_holder(secrets.token_hex(8))
        # NX with GET answers with what is there, so a client that sent the command again because the reply was lost
        # sees its own token and knows that it won.
        command = self._redis.execute_command("SET", name, mine, "NX", "GET", "PX", self._lease_ms, get=True)
        value = await answered(command, "a flight could not be claimed")
        if value is None or value == mine:
            return _RedisLease(self, name, mine)
        return decode(cast("bytes", value))

    async def evict(self, key: str, settled: Completed) -> None:
        """Forget an outcome, where it is still what stands there; while Redis is away, its time does that."""
        try:
            await answered(
                self._evict(keys=[self._prefix + key], args=[settled.version]), "a result could not be forgotten"
            )
        except FlightStoreUnavailable as error:
            _log.warning("board.unavailable", error=str(error))

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Return when a message about the flight came, at the latest after `timeout_s`."""
        await self._notifications.wait(self._prefix + key, timeout_s)

    async def ping(self) -> None:
        """Return when Redis answers. Raises `FlightStoreUnavailable`."""
        await answered(self._redis.ping(), "no answer to PING")

    async def renew(self, name: str, mine: bytes) -> bool:
        """Part of the lease: whether it was kept."""
        kept = await answered(self._renew(keys=[name], args=[mine, self._lease_ms]), "a lease could not be renewed")
        return bool(kept)

    async def complete(self, name: str, mine: bytes, outcome: Outcome, ttl_s: float) -> bool:
        """Part of the lease: whether the outcome stands on the board."""
        value = encode_outcome(outcome, self._max_body_bytes)
        args: list[bytes | str | int] = [mine, value, max(1, round(ttl_s * 1000)), self._channel]
        settled = bool(await answered(self._complete(keys=[name], args=args), "a result could not be written"))
        await self._publish(name)
        return settled

    async def release(self, name: str, mine: bytes) -> None:
        """Part of the lease: give it back."""
        args: list[bytes | str | int] = [mine, self._channel]
        await answered(self._release(keys=[name], args=args), "a lease could not be given back")
        await self._publish(name)

    async def _publish(self, name: str) -> None:
        if self._cluster is not None:
            await answered(self._cluster.spublish(CHANNEL, name), "a message could not be published")


class _RedisLease:
    def __init__(self, flight_store: RedisFlightStore, name: str, mine: bytes) -> None:
        self._flight_store = flight_store
        self._name = name
        self._mine = mine

    async def renew(self) -> bool:
        try:
            return await self._flight_store.renew(self._name, self._mine)
        except FlightStoreUnavailable:
            return True  # unreachable is not lost: the next renewal may come through

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        try:
            return await self._flight_store.complete(self._name, self._mine, outcome, ttl_s)
        except FlightStoreUnavailable as error:
            _log.warning("board.unavailable", error=str(error))
            return False

    async def release(self) -> None:
        try:
            await self._flight_store.release(self._name, self._mine)
        except FlightStoreUnavailable as error:
            _log.warning("board.unavailable", error=str(error))
