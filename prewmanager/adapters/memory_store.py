"""The flight store of one process: leases and cached failures, in a dictionary."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Failure, Outcome

MAX_CACHED_FAILURES = 10_000  # a few hundred bytes each


@dataclass(slots=True)
class _Flight:
    expires: float
    outcome: Outcome | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryFlightStore:
    """A `FlightStore` inside this process.

    It caches failures only: previews are in the bucket, where the next flight finds them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, lease_s: float = 30.0) -> None:
        self._clock = clock
        self._lease_s = lease_s
        self._flights: OrderedDict[str, _Flight] = OrderedDict()

    async def acquire(self, key: str, *, waits: bool = True) -> Lease | Completed | Held:  # noqa: ARG002 -- nothing is kept for those who wait
        """Acquire the lease, or return the cached result or that the lease is held."""
        known = self._flights.get(key)
        if known is not None and known.expires > self._clock():
            return Completed(known.outcome) if known.outcome is not None else Held()
        flight = _Flight(self._clock() + self._lease_s)
        self._put(key, flight)
        return _MemoryLease(self, key, flight)

    def hold(self, key: str, seconds: float) -> None:
        """Have the lease held, for so long at most, for a process that cannot be asked."""
        self._put(key, _Flight(self._clock() + seconds))

    def watching(self, key: str) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002 -- changes are known anyway
        """Take part in a flight."""
        return contextlib.nullcontext()

    async def evict(self, key: str, completed: Completed | None) -> bool:
        """Delete this outcome if it is still the cached one. Return whether there was one, or a lease."""
        flight = self._flights.get(key)
        if flight is None or flight.outcome is None or (completed and flight.outcome is not completed.outcome):
            return flight is not None
        del self._flights[key]
        return True

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Return when the flight has completed, after `timeout_s` at the latest."""
        flight = self._flights.get(key)
        if flight is None:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await flight.changed.wait()
        except TimeoutError:
            return

    def _put(self, key: str, flight: _Flight) -> None:
        self._flights[key] = flight
        self._flights.move_to_end(key)
        while len(self._flights) > MAX_CACHED_FAILURES:
            self._flights.popitem(last=False)

    def renew(self, key: str, flight: _Flight) -> bool:
        """Extend the lease if it is still this flight's; return whether it is."""
        is_own = self._flights.get(key) is flight
        if is_own:
            flight.expires = self._clock() + self._lease_s
        return is_own

    def complete(self, key: str, flight: _Flight, outcome: Outcome | None, ttl_s: float) -> bool:
        """Replace the lease by a failure, or delete it, if it is still this flight's; return whether it is."""
        is_own = self._flights.get(key) is flight
        flight.changed.set()
        if is_own and isinstance(outcome, Failure):
            flight.outcome, flight.expires = outcome, self._clock() + ttl_s
        elif is_own:
            del self._flights[key]
        return is_own


class _MemoryLease:
    keeps_previews = False

    def __init__(self, flight_store: MemoryFlightStore, key: str, flight: _Flight) -> None:
        self._flight_store = flight_store
        self._key = key
        self._flight = flight

    async def renew(self) -> bool:
        return self._flight_store.renew(self._key, self._flight)

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        return self._flight_store.complete(self._key, self._flight, outcome, ttl_s)

    async def release(self) -> None:
        self._flight_store.complete(self._key, self._flight, None, 0)

    async def replace(self, outcome: Outcome | None, ttl_s: float) -> None:
        """Do nothing: previews are not kept."""
