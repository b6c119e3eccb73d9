"""The flight board of one process: who makes what, and the failures to remember, in a dictionary."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from prewmanager.ports import Busy, Failure, Lease, Outcome, Settled

MAX_REMEMBERED = 10_000  # outcomes; some hundred bytes each, since previews themselves are not kept


@dataclass(slots=True)
class _Flight:
    holder: str
    ends: float
    outcome: Outcome | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class LocalBoard:
    """A `FlightBoard` inside this process.

    Of outcomes it remembers failures only: a preview that was made is in the bucket, where the next flight looks first.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, lease_s: float = 30.0) -> None:
        self._clock = clock
        self._lease_s = lease_s
        self._flights: OrderedDict[str, _Flight] = OrderedDict()
        self._holders = itertools.count(1)

    async def claim(self, key: str) -> Lease | Settled | Busy:
        """Take the flight, or say what is known of it."""
        flight = self._flights.get(key)
        if flight is not None and flight.ends > self._clock():
            return Settled(flight.outcome) if flight.outcome is not None else Busy(flight.holder)
        taken = _Flight(f"local-{next(self._holders)}", self._clock() + self._lease_s)
        self._put(key, taken)
        return _LocalLease(self, key, taken)

    async def take(self, key: str) -> Lease | None:
        """Take the flight where it is free."""
        claim = await self.claim(key)
        return None if isinstance(claim, Settled | Busy) else claim

    async def forget(self, key: str, settled: Settled) -> None:
        """Forget an outcome, where it is still what is known."""
        flight = self._flights.get(key)
        if flight is not None and flight.outcome is settled.outcome:
            del self._flights[key]

    async def watch(self, key: str, timeout_s: float) -> None:
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
        while len(self._flights) > MAX_REMEMBERED:
            self._flights.popitem(last=False)

    def _renew(self, key: str, flight: _Flight) -> bool:
        mine = self._flights.get(key) is flight
        if mine:
            flight.ends = self._clock() + self._lease_s
        return mine

    def _settle(self, key: str, flight: _Flight, outcome: Outcome | None, ttl_s: float) -> bool:
        mine = self._flights.get(key) is flight
        flight.changed.set()
        if mine and isinstance(outcome, Failure):
            flight.outcome, flight.ends = outcome, self._clock() + ttl_s
        elif mine:
            del self._flights[key]
        return mine


class _LocalLease:
    def __init__(self, board: LocalBoard, key: str, flight: _Flight) -> None:
        self._board = board
        self._key = key
        self._flight = flight

    async def renew(self) -> bool:
        return self._board._renew(self._key, self._flight)  # noqa: SLF001 -- two halves of one class

    async def settle(self, outcome: Outcome, ttl_s: float) -> bool:
        return self._board._settle(self._key, self._flight, outcome, ttl_s)  # noqa: SLF001 -- two halves of one class

    async def abandon(self) -> None:
        self._board._settle(self._key, self._flight, None, 0)  # noqa: SLF001 -- two halves of one class
