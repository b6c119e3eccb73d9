"""Redis away: the process goes on alone, with its own board and quota, and joins the others when Redis is back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from prewmanager.adapters.redis.circuit_breaker import CircuitBreaker
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import Completed, FlightStore, Held, Lease, Quota

_Port = TypeVar("_Port")
_Told = TypeVar("_Told")


async def _told(
    circuit_breaker: CircuitBreaker, shared: _Port, alone: _Port, ask: Callable[[_Port], Awaitable[_Told]]
) -> _Told:
    """What the shared one says while the link is up; else, or where that breaks it just now, what the other says."""
    if circuit_breaker.up:
        try:
            return await ask(shared)
        except FlightStoreUnavailable as error:
            circuit_breaker.failed(error)
    return await ask(alone)


class FallbackFlightStore:
    """A `FlightStore` that uses `shared` while the link is up and `alone` while it is not."""

    def __init__(self, shared: FlightStore, alone: FlightStore, circuit_breaker: CircuitBreaker) -> None:
        self._shared = shared
        self._alone = alone
        self._circuit_breaker = circuit_breaker

    async def acquire(self, key: str) -> Lease | Completed | Held:
        """Take the flight, or say what is known of it, on the board in use."""
        return await _told(
            self._circuit_breaker, self._shared, self._alone, lambda flight_store: flight_store.acquire(key)
        )

    async def try_acquire(self, key: str) -> Lease | None:
        """Take the flight where it is free, on the board in use."""
        return await _told(
            self._circuit_breaker, self._shared, self._alone, lambda flight_store: flight_store.try_acquire(key)
        )

    async def evict(self, key: str, settled: Completed) -> None:
        """Forget an outcome on the board in use."""
        flight_store = self._shared if self._circuit_breaker.up else self._alone
        await flight_store.evict(key, settled)

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Return when the flight may have changed, at the latest after `timeout_s`."""
        flight_store = self._shared if self._circuit_breaker.up else self._alone
        await flight_store.wait_for_change(key, timeout_s)


class FallbackQuota:
    """A `Quota` that is shared while the link is up; alone, each process has the whole of it."""

    def __init__(self, shared: Quota, alone: Quota, circuit_breaker: CircuitBreaker) -> None:
        self._shared = shared
        self._alone = alone
        self._circuit_breaker = circuit_breaker

    async def consume(self) -> float:
        """Take one of the quota in use: 0, or the seconds until there is one."""
        return await _told(self._circuit_breaker, self._shared, self._alone, lambda quota: quota.consume())
