"""Reports on flights for the viewers of the contact sheet: this replica's, and those of the others.

Each report lists the running flights with their numbers of waiters, and the flights completed since the report before;
a waiting request costs nothing extra. A report goes to the viewers of this process, and through the relay to those of
the other replicas. Where nobody watches, a replica collects and reports nothing: it asks the relay once a second
whether somebody does.
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
# An idle replica sends only each twentieth report: it shows that the replica is alive, and detects closed connections.
IDLE_REPORTS = 20
# One that nobody watches asks with each fourth step: once a second.
ASK_STEPS = 4
MAX_VIEWERS = 20


class FlightWatch:
    """A `FlightObserver` that passes everything on to another one."""

    def __init__(self, observer: FlightObserver, replica: Replica, relay: Relay | None) -> None:
        """Without a `relay`, viewers see this replica only."""
        self.replica = replica
        self._observer = observer
        self._relay = relay
        self._completed_flights: CompletedFlights | None = None  # None: nobody watches
        self._viewers: set[Viewer] = set()
        self._relay_task: asyncio.Task[None] | None = None
        self._idle_reports = 0
        self._receivers = 0  # replicas that listened to what was sent last
        self._steps = 0
        # Hot path: each request calls this method, so it is the observer's own.
        self.waiting = observer.waiting
        self.took_over, self.write_lost = observer.took_over, observer.write_lost
        self.crashed, self.refused = observer.crashed, observer.refused

    @property
    def shared(self) -> bool:
        """Whether reports of other replicas arrive."""
        return self._relay is not None

    def completed(self, preview: Preview, result: FlightResult, *, waiters: int, seconds: float) -> None:
        """Include the flight in the next report, if somebody watches."""
        self._observer.completed(preview, result, waiters=waiters, seconds=seconds)
        if self._completed_flights is not None:
            self._completed_flights.add(preview, result, waiters, seconds)

    @contextlib.asynccontextmanager
    async def running(self, in_flight: Callable[[], Sequence[InFlight]]) -> AsyncIterator[None]:
        """Report on these flights while the block runs."""
        async with background(self._report_forever(in_flight), "contact sheet reports"):
            yield

    async def step(self, in_flight: Callable[[], Sequence[InFlight]]) -> None:
        """Report on these flights if somebody watches; else ask with each `ASK_STEPS`th step whether somebody does."""
        if not (self._viewers or self._receivers):
            self._completed_flights, self._idle_reports = None, 0
            self._steps += 1
            if self._steps % ASK_STEPS == 1:
                await self._send("")
        if self._viewers or self._receivers:
            await self._report(in_flight())

    async def _report(self, flights: Sequence[InFlight]) -> None:
        """Send one report; most of those without content are skipped."""
        completed_flights = self._completed_flights or CompletedFlights()
        active = bool(flights or completed_flights.rows)
        self._idle_reports = 0 if active else self._idle_reports + 1
        # The first idle report is sent: it clears the flights of the report before, or names the replica.
        if self._idle_reports > 1 and self._idle_reports % IDLE_REPORTS:
            return
        self._completed_flights = CompletedFlights()
        text = report(self.replica, flights, completed_flights)
        self._deliver(text)
        await self._send(text)

    async def _send(self, text: str) -> None:
        if self._relay is not None:
            self._receivers = await self._relay.send(self.replica.id, text)

    @contextlib.asynccontextmanager
    async def viewer(self) -> AsyncIterator[Viewer]:
        """Connect a viewer until the block ends. Raises `Overloaded` when there are `MAX_VIEWERS` already."""
        if len(self._viewers) >= MAX_VIEWERS:
            raise Overloaded(f"this process has {MAX_VIEWERS} viewers already")
        viewer = Viewer()
        self._viewers.add(viewer)
        if self._completed_flights is None:
            self._completed_flights = CompletedFlights()
        if self._relay is not None and self._relay_task is None:
            # Only while there are viewers: other replicas' reports cost CPU to receive.
            self._relay_task = asyncio.create_task(self._listen(self._relay), name="contact sheet relay")
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)
            if self._relay_task is not None and not self._viewers:
                relay_task, self._relay_task = self._relay_task, None
                await end(relay_task)

    def close(self) -> None:
        """Disconnect all viewers."""
        for viewer in self._viewers:
            viewer.close()

    async def _report_forever(self, in_flight: Callable[[], Sequence[InFlight]]) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            await self.step(in_flight)

    async def _listen(self, relay: Relay) -> None:
        async for sender, text in relay.received():
            if sender != self.replica.id:
                self._deliver(text)

    def _deliver(self, text: str) -> None:
        for viewer in self._viewers:
            viewer.add(text)
