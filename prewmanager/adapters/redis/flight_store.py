"""The flight store in Redis: one key for a flight, and scripts that change it only for the holder of its token.

prew:flight:<bucket>/<preview key>@<preset fingerprint>
    blocked:<token>:<end>   the lease, which ends at this time (Redis's own, in milliseconds since 1970), renewed; with
                            a zero before the time where another process waits for the result, two where the photo has
                            changed since
    result:… failed:…       until the result's TTL; deleting the key evicts the result at once

The flight's channel has the name of its key, and so is on the same node. It is used where another process waits, and
only there a result has the preview's bytes: who asks later finds the preview in S3.

The lease's key outlives its end, and any result: a full Redis evicts first what expires first (`volatile-ttl`), and an
evicted lease costs a second rendering, an evicted result a request to S3.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from typing import cast

import structlog
from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.redis.client import PROBE_KEY, Script, translated
from prewmanager.adapters.redis.codec import UnreadableValue, decode, encode_outcome, version
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.adapters.redis.scripts import ACQUIRE, COMPLETE, EVICT, RELEASE, RENEW, REPLACE
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Made, Outcome

KEY_PREFIX = "prew:flight:"
_COMPLETED, _SOMEBODY_WAITS = 1, 2  # answers of the script that completes a flight
_MAX_UNREADABLE = 1000
_log = structlog.get_logger(__name__)


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
        self._acquire = Script(redis, ACQUIRE)
        self._renew = Script(redis, RENEW)
        self._complete = Script(redis, COMPLETE)
        self._release = Script(redis, RELEASE)
        self._evict = Script(redis, EVICT)
        self._replace = Script(redis, REPLACE)
        # When a value that cannot be read was first seen, by key.
        self._unreadable: OrderedDict[str, float] = OrderedDict()

    async def acquire(self, key: str, *, waits: bool = True) -> Lease | Completed | Held:
        """Acquire the lease, or return what Redis has, in one command. Raises `FlightStoreUnavailable`."""
        name, token = self._prefix + key, secrets.token_hex(8)
        args = (token, self._lease_ms, self._key_ms, "waits" if waits else "")
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

    async def evict(self, key: str, completed: Completed | None) -> bool:
        """Delete an outcome, if it is still this version; while Redis is away, its TTL does that.

        Return whether there was one, or a lease. Raises `FlightStoreUnavailable` where any version shall go: who asks
        for that tries again.
        """
        version = completed.version if completed else b""
        evicted: object = 0
        with _logged() if completed else contextlib.nullcontext():
            evicted = await self._evict(self._prefix + key, version, failed="a result could not be evicted")
        return bool(evicted)

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Return when a notification about the flight came, after `timeout_s` at the latest."""
        await self._notifications.wait(self._prefix + key, timeout_s)

    async def ping(self) -> None:
        """Return when Redis accepts a write, and each node of a cluster answers. Raises `FlightStoreUnavailable`."""
        await translated(self._redis.set(PROBE_KEY, b"", px=1000), "a write failed")
        if isinstance(self._redis, RedisCluster):
            await translated(self._redis.ping(target_nodes=RedisCluster.PRIMARIES), "no answer to PING")

    async def renew(self, name: str, token: str) -> bool:
        """Part of the lease; unreachable is not lost, as the next renewal may get through."""
        with contextlib.suppress(FlightStoreUnavailable):
            args = (token, self._lease_ms, self._key_ms)
            return bool(await self._renew(name, *args, failed="a lease could not be renewed"))
        return True

    async def complete(self, name: str, token: str, outcome: Outcome, ttl_s: float) -> bool:
        """Part of the lease."""
        whole, lean = (encode_outcome(outcome, most, token) for most in (self._max_body_bytes, 0))
        ttl_ms, failed = max(1, round(ttl_s * 1000)), "a result could not be written"
        first, form = lean, "final" if whole == lean else "lean"
        if form == "lean" and isinstance(outcome, Made) and not outcome.stored:
            first, form = whole, "needed"
        answer: object = None
        with _logged():
            answer = await self._complete(name, token, first, ttl_ms, form, failed=failed)
        if answer == _SOMEBODY_WAITS:
            with _logged():
                answer = await self._complete(name, token, whole, ttl_ms, "body", lean, failed=failed)
        return answer == _COMPLETED

    def version(self, token: str, outcome: Outcome) -> bytes:
        """Part of the lease: what tells its result, with the preview's bytes, from a later one."""
        return version(encode_outcome(outcome, self._max_body_bytes, token))

    async def replace(self, name: str, known: bytes, outcome: Outcome | None, ttl_s: float) -> None:
        """Part of the lease, whose result is still this version."""
        with _logged():
            if outcome is None:
                await self._evict(name, known, failed="a result could not be evicted")
                return
            value, ttl_ms = encode_outcome(outcome, 0), max(1, round(ttl_s * 1000))
            await self._replace(name, known, value, ttl_ms, failed="a result could not be replaced")

    async def release(self, name: str, token: str) -> None:
        """Part of the lease."""
        with _logged():
            await self._release(name, token, failed="a lease could not be released")


class _RedisLease:
    keeps_previews = True

    def __init__(self, flight_store: RedisFlightStore, name: str, token: str) -> None:
        self._flight_store = flight_store
        self._name = name
        self._token = token
        self._version: bytes | None = None  # of a result with the preview's bytes, which is replaced later

    async def renew(self) -> bool:
        return await self._flight_store.renew(self._name, self._token)

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        completed = await self._flight_store.complete(self._name, self._token, outcome, ttl_s)
        if completed and isinstance(outcome, Made) and not outcome.stored:
            self._version = self._flight_store.version(self._token, outcome)
        return completed

    async def replace(self, outcome: Outcome | None, ttl_s: float) -> None:
        if self._version is not None:
            await self._flight_store.replace(self._name, self._version, outcome, ttl_s)

    async def release(self) -> None:
        await self._flight_store.release(self._name, self._token)


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Log that Redis is unavailable, and go on."""
    try:
        yield
    except FlightStoreUnavailable as error:
        _log.warning("flight_store.unavailable", error=str(error))
