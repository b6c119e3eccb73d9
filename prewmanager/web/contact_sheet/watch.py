"""Reports on flights for the viewers of the contact sheet: this replica's, and those of the others.

Requests pay nothing for it. Each report reads the number of waiters off the flights, and lists the flights that have
completed since the report before. A report goes to the viewers of this process, and through the relay to those of the
other replicas.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from prewmanager.errors import Overloaded
from prewmanager.flights.ports import FlightObserver
from prewmanager.flights.result import FlightResult, InFlight
from prewmanager.previews.catalogue import Preview
from prewmanager.tasks import background, end
from prewmanager.web.contact_sheet.reports import CompletedFlights, Replica, report
from prewmanager.web.contact_sheet.viewer import Viewer
from prewmanager.web.ports import Relay

REPORT_EVERY_S = 0.25
# An idle replica sends only each twentieth report: it shows that the replica is alive, and finds viewers that are gone.
IDLE_REPORTS = 20
MAX_VIEWERS = 20


class FlightWatch:
    """A `FlightObserver` that passes everything on to another one."""

    def __init__(self, observer: FlightObserver, replica: Replica, relay: Relay | None) -> None:
        """Without a `relay`, viewers see this replica only."""
        self.replica = replica
        self._observer = observer
        self._relay = relay
        self._completed_flights = CompletedFlights()
        self._viewers: set[Viewer] = set()
        self._listening: asyncio.Task[None] | None = None
        self._quiet = 0
        # The one method that each request calls goes to the observer directly.
        self.waiting = observer.waiting

    @property
    def shared(self) -> bool:
        """Whether reports of other replicas arrive."""
        return self._relay is not None

    def completed(self, preview: Preview, result: FlightResult, *, waiters: int, seconds: float) -> None:
        """Include the flight in the next report."""
        self._observer.completed(preview, result, waiters=waiters, seconds=seconds)
        self._completed_flights.add(preview, result, waiters, seconds)

    def took_over(self, preview: Preview) -> None:
        """Pass it on."""
        self._observer.took_over(preview)

    @contextlib.asynccontextmanager
    async def running(self, in_flight: Callable[[], Sequence[InFlight]]) -> AsyncIterator[None]:
        """Report on these flights while the block runs."""
        async with background(self._go_on(in_flight), "contact sheet reports"):
            yield

    async def report(self, flights: Sequence[InFlight]) -> None:
        """Send one report; skip most of those that would report nothing."""
        busy = bool(flights or self._completed_flights.rows)
        self._quiet = 0 if busy else self._quiet + 1
        # The first idle report clears the flights of the one before.
        if self._quiet > 1 and self._quiet % IDLE_REPORTS:
            return
        completed_flights, self._completed_flights = self._completed_flights, CompletedFlights()
        text = report(self.replica, flights, completed_flights)
        self._give(text)
        if self._relay is not None:
            await self._relay.send(self.replica.id, text)

    @contextlib.asynccontextmanager
    async def viewer(self) -> AsyncIterator[Viewer]:
        """Add a viewer until the block ends. Raises `Overloaded` when there are `MAX_VIEWERS` already."""
        if len(self._viewers) >= MAX_VIEWERS:
            raise Overloaded("as many viewers as this process may have")
        viewer = Viewer()
        self._viewers.add(viewer)
        if self._relay is not None and self._listening is None:
            # Only while there is a viewer: receiving the other replicas' reports costs something.
            self._listening = asyncio.create_task(self._listen(self._relay), name="contact sheet relay")
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)
            if self._listening is not None and not self._viewers:
                listening, self._listening = self._listening, None
                await end(listening)

    def close(self) -> None:
        """Disconnect all viewers."""
        for viewer in self._viewers:
            viewer.close()

    async def _go_on(self, in_flight: Callable[[], Sequence[InFlight]]) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            await self.report(in_flight())

    async def _listen(self, relay: Relay) -> None:
        async for sender, text in relay.received():
            if sender != self.replica.id:
                self._give(text)

    def _give(self, text: str) -> None:
        for viewer in self._viewers:
            viewer.give(text)
