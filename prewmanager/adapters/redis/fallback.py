"""While Redis is away: each process coalesces and limits its rate alone, and joins the others when Redis is back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.adapters.redis.circuit_breaker import CircuitBreaker
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import FlightStore, Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.resizing.ports import Quota


class FallbackFlightStore:
    """A `FlightStore` that uses `shared` while the circuit is closed, and `alone` while it is open.

    Where Redis last said that another process has a lease, this one goes alone only after a lease without Redis: the
    holder is likely to be rendering still, and Redis to be back before.
    """

    def __init__(
        self, shared: FlightStore, alone: MemoryFlightStore, circuit_breaker: CircuitBreaker, lease_s: float
    ) -> None:
        self._shared = shared
        self._alone = alone
        self._circuit_breaker = circuit_breaker
        self._lease_s = lease_s
        # The watched flights, and whether Redis last said that another process has the lease.
        self._held: dict[str, bool] = {}

    async def acquire(self, key: str) -> Lease | Completed | Held:
        """Acquire the lease in the store in use."""
        if self._circuit_breaker.closed:
            try:
                acquired = await self._shared.acquire(key)
            except FlightStoreUnavailable as error:
                self._circuit_breaker.failed(error)
            else:
                if key in self._held:
                    self._held[key] = isinstance(acquired, Held)
                return acquired
        if self._held.get(key):
            self._held[key] = False
            self._alone.hold(key, self._lease_s)
        return await self._alone.acquire(key)

    @contextlib.contextmanager
    def watching(self, key: str) -> Iterator[None]:
        """Take part in a flight, in whatever store is in use meanwhile."""
        self._held[key] = False
        try:
            with self._shared.watching(key):
                yield
        finally:
            del self._held[key]

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Wait in the store in use."""
        await self._in_use.wait_for_change(key, timeout_s)

    async def evict(self, key: str, completed: Completed) -> None:
        """Evict an outcome from the store in use."""
        await self._in_use.evict(key, completed)

    @property
    def _in_use(self) -> FlightStore:
        return self._shared if self._circuit_breaker.closed else self._alone


class FallbackQuota:
    """A `Quota` that is shared while the circuit is closed; while it is open, each process has the whole quota."""

    def __init__(self, shared: Quota, alone: Quota, circuit_breaker: CircuitBreaker) -> None:
        self._shared = shared
        self._alone = alone
        self._circuit_breaker = circuit_breaker

    async def consume(self) -> float:
        """Consume from the quota in use."""
        if self._circuit_breaker.closed:
            try:
                return await self._shared.consume()
            except FlightStoreUnavailable as error:
                self._circuit_breaker.failed(error)
        return await self._alone.consume()
