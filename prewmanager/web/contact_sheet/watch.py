"""What flights do, for whoever looks on: this replica's reports, and those of the others.

Requests pay nothing for it. How many wait is read off the flights at each report; flights that end are noted until
then. A report goes to the viewers of this process, and through the relay to those of the other replicas.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from prewmanager.errors import Overloaded
from prewmanager.flights.ports import FlightObserver, FlightResult, InFlight
from prewmanager.previews.catalogue import Preview
from prewmanager.tasks import background, end
from prewmanager.web.contact_sheet.reports import CompletedFlights, Replica, report
from prewmanager.web.contact_sheet.viewer import Viewer

REPORT_EVERY_S = 0.25
# Of an idle replica only each twentieth report is sent: it says that it is there, and finds viewers that are gone.
IDLE_REPORTS = 20
MOST_VIEWERS = 20


class Relay(Protocol):
    """Reports between replicas. No method raises: a report that does not arrive is followed by the next."""

    async def send(self, sender: str, report: str) -> None:
        """Hand a report to the viewers of all replicas."""
        ...

    def heard(self) -> AsyncIterator[tuple[str, str]]:
        """Sender and report, of all replicas, while it is iterated over."""
        ...


class FlightWatch:
    """A `FlightObserver` that passes on what it is told to another one."""

    def __init__(self, observer: FlightObserver, replica: Replica, relay: Relay | None) -> None:
        """Without a `relay` there are no other replicas to be heard of."""
        self.replica = replica
        self._observer = observer
        self._relay = relay
        self._completed_flights = CompletedFlights()
        self._viewers: set[Viewer] = set()
        self._listening: asyncio.Task[None] | None = None
        self._quiet = 0
        # Of the observer's methods the one that each request calls, without a step in between.
        self.waiting = observer.waiting

    @property
    def shared(self) -> bool:
        """Whether reports of other replicas arrive."""
        return self._relay is not None

    def completed(self, preview: Preview, result: FlightResult, seconds: float) -> None:
        """Note it for the next report."""
        self._observer.completed(preview, result, seconds)
        self._completed_flights.add(preview, result, seconds)

    def took_over(self, preview: Preview) -> None:
        """Pass it on."""
        self._observer.took_over(preview)

    @contextlib.asynccontextmanager
    async def running(self, in_flight: Callable[[], Sequence[InFlight]]) -> AsyncIterator[None]:
        """Report on these flights while the block runs."""
        async with background(self._go_on(in_flight), "contact sheet reports"):
            yield

    async def report(self, flights: Sequence[InFlight]) -> None:
        """Send one report, unless it would say that nothing happens just after another one that did."""
        busy = bool(flights or self._completed_flights.rows)
        self._quiet = 0 if busy else self._quiet + 1
        # The first quiet one says that what was under way is over.
        if self._quiet > 1 and self._quiet % IDLE_REPORTS:
            return
        completed_flights, self._completed_flights = self._completed_flights, CompletedFlights()
        text = report(self.replica, flights, completed_flights)
        self._give(text)
        if self._relay is not None:
            await self._relay.send(self.replica.id, text)

    @contextlib.asynccontextmanager
    async def viewer(self) -> AsyncIterator[Viewer]:
        """One who looks on until the block ends. Raises `Overloaded` when there are `MOST_VIEWERS` already."""
        if len(self._viewers) >= MOST_VIEWERS:
            raise Overloaded("as many look on as may")
        viewer = Viewer()
        self._viewers.add(viewer)
        if self._relay is not None and self._listening is None:
            # Only while somebody looks: the other replicas' reports are not for nothing.
            self._listening = asyncio.create_task(self._listen(self._relay), name="contact sheet relay")
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)
            if self._listening is not None and not self._viewers:
                listening, self._listening = self._listening, None
                await end(listening)

    def close(self) -> None:
        """Tell all who look on that it is over."""
        for viewer in self._viewers:
            viewer.close()

    async def _go_on(self, in_flight: Callable[[], Sequence[InFlight]]) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            await self.report(in_flight())

    async def _listen(self, relay: Relay) -> None:
        async for sender, text in relay.heard():
            if sender != self.replica.id:
                self._give(text)

    def _give(self, text: str) -> None:
        for viewer in self._viewers:
            viewer.give(text)
