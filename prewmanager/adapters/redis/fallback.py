"""While Redis is away: each process coalesces and limits its rate alone, and joins the others when Redis is back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from prewmanager.adapters.redis.circuit_breaker import CircuitBreaker
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import FlightStore, Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.resizing.ports import Quota

_Port = TypeVar("_Port")
_Result = TypeVar("_Result")


async def _first_available(
    circuit_breaker: CircuitBreaker, shared: _Port, alone: _Port, call: Callable[[_Port], Awaitable[_Result]]
) -> _Result:
    """Call the shared one while the circuit is closed; else, or where it fails just now, the process's own."""
    if circuit_breaker.closed:
        try:
            return await call(shared)
        except FlightStoreUnavailable as error:
            circuit_breaker.failed(error)
    return await call(alone)


class FallbackFlightStore:
    """A `FlightStore` that uses `shared` while the circuit is closed, and `alone` while it is open."""

    def __init__(self, shared: FlightStore, alone: FlightStore, circuit_breaker: CircuitBreaker) -> None:
        self._shared = shared
        self._alone = alone
        self._circuit_breaker = circuit_breaker

    async def acquire(self, key: str) -> Lease | Completed | Held:
        """Acquire the lease in the store in use."""
        return await _first_available(self._circuit_breaker, self._shared, self._alone, lambda each: each.acquire(key))

    async def try_acquire(self, key: str) -> Lease | None:
        """Try to acquire the lease in the store in use."""
        return await _first_available(
            self._circuit_breaker, self._shared, self._alone, lambda each: each.try_acquire(key)
        )

    async def evict(self, key: str, completed: Completed) -> None:
        """Evict an outcome from the store in use."""
        await self._in_use.evict(key, completed)

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Wait in the store in use."""
        await self._in_use.wait_for_change(key, timeout_s)

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
        return await _first_available(self._circuit_breaker, self._shared, self._alone, lambda each: each.consume())
