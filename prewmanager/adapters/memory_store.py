"""The flight board of one process: who makes what, and the failures to remember, in a dictionary."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from prewmanager.flights.ports import Completed, Failure, Held, Lease, Outcome

MAX_CACHED_FAILURES = 10_000  # outcomes; some hundred bytes each, since previews themselves are not kept


@dataclass(slots=True)
class _Flight:
    holder: str
    ends: float
    outcome: Outcome | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryFlightStore:
    """A `FlightStore` inside this process.

    Of outcomes it remembers failures only: a preview that was made is in the bucket, where the next flight looks first.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, lease_s: float = 30.0) -> None:
        self._clock = clock
        self._lease_s = lease_s
        self._flights: OrderedDict[str, _Flight] = OrderedDict()
        self._holders = itertools.count(1)

    async def acquire(self, key: str) -> Lease | Completed | Held:
        """Take the flight, or say what is known of it."""
        flight = self._flights.get(key)
        if flight is not None and flight.ends > self._clock():
            return Completed(flight.outcome) if flight.outcome is not None else Held(flight.holder)
        taken = _Flight(f"local-{next(self._holders)}", self._clock() + self._lease_s)
        self._put(key, taken)
        return _LocalLease(self, key, taken)

    async def try_acquire(self, key: str) -> Lease | None:
        """Take the flight where it is free."""
        acquired = await self.acquire(key)
        return None if isinstance(acquired, Completed | Held) else acquired

    async def evict(self, key: str, settled: Completed) -> None:
        """Forget an outcome, where it is still what is known."""
        flight = self._flights.get(key)
        if flight is not None and flight.outcome is settled.outcome:
            del self._flights[key]

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Return when the flight has ended, at the latest after `timeout_s`."""
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

    def _renew(self, key: str, flight: _Flight) -> bool:
        mine = self._flights.get(key) is flight
        if mine:
            flight.ends = self._clock() + self._lease_s
        return mine

    def _complete(self, key: str, flight: _Flight, outcome: Outcome | None, ttl_s: float) -> bool:
        mine = self._flights.get(key) is flight
        flight.changed.set()
        if mine and isinstance(outcome, Failure):
            flight.outcome, flight.ends = outcome, self._clock() + ttl_s
        elif mine:
            del self._flights[key]
        return mine


class _LocalLease:
    def __init__(self, flight_store: MemoryFlightStore, key: str, flight: _Flight) -> None:
        self._flight_store = flight_store
        self._key = key
        self._flight = flight

    async def renew(self) -> bool:
        return self._flight_store._renew(self._key, self._flight)  # noqa: SLF001 -- two halves of one class

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        return self._flight_store._complete(self._key, self._flight, outcome, ttl_s)  # noqa: SLF001 -- two halves of one class

    async def release(self) -> None:
        self._flight_store._complete(self._key, self._flight, None, 0)  # noqa: SLF001 -- two halves of one class
