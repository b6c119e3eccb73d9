"""Without Redis, each process coalesces and limits its rate alone.

That is decided call by call: what Redis cannot do for one flight says nothing about the others. While Redis is away,
calls fail at once (`circuit_breaker`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import structlog

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import FlightStore, Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.resizing.ports import Quota

_log = structlog.get_logger(__name__)


class FallbackFlightStore:
    """A `FlightStore` that uses `alone` for a flight for which `shared` is not available.

    Where Redis last said that another process has a lease, this one goes alone only after a lease without Redis: the
    holder is likely to be rendering still, and Redis to be back before.
    """

    def __init__(
        self, shared: FlightStore, alone: MemoryFlightStore, *, lease_s: float, on_alone: Callable[[], None]
    ) -> None:
        """`on_alone` is called for each lease that this process has for itself."""
        self._shared = shared
        self._alone = alone
        self._lease_s = lease_s
        self._on_alone = on_alone
        # The watched flights, and whether Redis last said that another process has the lease.
        self._held: dict[str, bool] = {}

    async def acquire(self, key: str, *, waits: bool = True) -> Lease | Completed | Held:
        """Acquire the lease in Redis, or in this process. Never raises."""
        try:
            acquired = await self._shared.acquire(key, waits=waits)
        except FlightStoreUnavailable as error:
            return await self._acquire_alone(key, error)
        if key in self._held:
            self._held[key] = isinstance(acquired, Held)
        return acquired

    async def _acquire_alone(self, key: str, error: FlightStoreUnavailable) -> Lease | Completed | Held:
        if self._held.get(key):
            self._held[key] = False
            self._alone.hold(key, self._lease_s)
        acquired = await self._alone.acquire(key)
        if not isinstance(acquired, Completed | Held):
            _log.debug("flight.alone", key=key, error=str(error))
            self._on_alone()
        return acquired

    @contextlib.contextmanager
    def watching(self, key: str) -> Iterator[None]:
        """Take part in a flight, in whatever store it is meanwhile."""
        self._held[key] = False
        try:
            with self._shared.watching(key):
                yield
        finally:
            del self._held[key]

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Wait in the store that last said that the lease is held."""
        await (self._shared if self._held.get(key) else self._alone).wait_for_change(key, timeout_s)

    async def evict(self, key: str, completed: Completed | None) -> bool:
        """Evict an outcome from the store that it is in, or any from both. Return whether there was one, or a lease."""
        if completed is None:
            alone = await self._alone.evict(key, None)
            return await self._shared.evict(key, None) or alone
        return await (self._shared if completed.version else self._alone).evict(key, completed)


class FallbackQuota:
    """A `Quota` over all processes; while Redis is not available, each has the whole quota for itself."""

    def __init__(self, shared: Quota, alone: Quota) -> None:
        self._shared = shared
        self._alone = alone

    async def consume(self, client: str) -> float:
        """Consume from the quota over all processes, or from this one's."""
        try:
            return await self._shared.consume(client)
        except FlightStoreUnavailable:
            return await self._alone.consume(client)

    async def is_whole(self) -> bool:
        """Whether nothing of that quota is in use."""
        try:
            return await self._shared.is_whole()
        except FlightStoreUnavailable:
            return await self._alone.is_whole()
