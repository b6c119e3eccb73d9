"""One flight for all requests of this process that want the same preview.

A flight belongs to no request, so that a client that disconnects ends nothing. Between processes the flight store keeps
it one (`flight`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

from prewmanager.errors import Overloaded
from prewmanager.flights.batch import open_batch
from prewmanager.flights.flight import CRASHED, Flight
from prewmanager.flights.parts import FlightParts
from prewmanager.flights.ports import FlightSpan, FlightTracer
from prewmanager.flights.result import Answer, FlightResult, InFlight
from prewmanager.flights.waiters import Waiters
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Failure, Source
from prewmanager.resizing.load import Load
from prewmanager.tasks import end, resume_waiter


class SharedFlight:
    """A flight of this process, with the requests that wait for it; `task` ends with the flight."""

    task: asyncio.Task[None]

    def __init__(self, preview: Preview, span: FlightSpan, parts: FlightParts) -> None:
        self.preview = preview
        self.span = span
        self.waiters = Waiters(parts.timing.wait_s)
        self._observer = parts.observer
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Time since the flight started."""
        return time.perf_counter() - self._started

    async def answer(self, *, joined: bool) -> Answer:
        """Wait for the preview. Hot path: runs once per waiter, serially on the event loop.

        Raises the `PreviewFailed` that the flight ended with, and `DeadlineExceeded` when it does not complete before
        the waiter's deadline (it goes on all the same).
        """
        self._observer.waiting(1)
        try:
            result = await self.waiters.wait()
        finally:
            self._observer.waiting(-1)
        if isinstance(result.outcome, Failure):
            raise result.outcome.error(cached=result.source is Source.CACHED)
        return Answer(result.outcome, Source.JOINED if joined else result.source, result.timings_ms)


class Coalescer:
    """A `PreviewProvider` with one flight at a time for each preview."""

    def __init__(
        self,
        parts: FlightParts,
        *,
        tracer: FlightTracer,
        load: Load,
        max_flights: int,
        companions: Callable[[Preview], Sequence[Preview]],
    ) -> None:
        """`max_flights` bounds the flights in flight; `companions` returns what is rendered with a preview."""
        self._parts = parts
        self._tracer = tracer
        self._load = load
        self._max_flights = max_flights
        self._companions = companions
        self._flights: dict[str, SharedFlight] = {}

    async def preview(self, preview: Preview) -> Answer:
        """Return the preview, rendered now or by whoever is rendering it. Raises what `join` and `answer` raise."""
        flight, joined = self.join(preview)
        return await flight.answer(joined=joined)

    def join(self, preview: Preview) -> tuple[SharedFlight, bool]:
        """Join the preview's flight (True), or start one. Raises `Overloaded` when `max_flights` are in flight."""
        known = self._flights.get(preview.flight_key)
        if known is None:
            return self._start(preview), False
        known.span.joined()
        return known, True

    @property
    def is_able(self) -> bool:
        """Whether this process can render, as its last flights found."""
        return bool(self._parts.ability)

    async def photo_changed(self, photo_key: str, previews: Sequence[Preview]) -> bool:
        """Evict what is cached of a photo that was uploaded or removed, given its previews in all presets.

        Return whether anything of it was cached or in flight. Renderings that run now may fail by the earlier photo;
        they are repeated. Raises `FlightStoreUnavailable`, after
        what this process has cached is evicted.
        """
        try:
            await self._parts.photos.changed(photo_key)
        finally:
            in_flight = await self.evict(previews)
        return in_flight

    async def evict(self, previews: Sequence[Preview]) -> bool:
        """Evict the cached results of these previews; those in flight go on. Return whether there was any.

        Raises `FlightStoreUnavailable`.
        """
        store = self._parts.flight_store
        return any(await asyncio.gather(*(store.evict(each.flight_key, None) for each in previews)))

    def in_flight(self) -> list[InFlight]:
        """The flights of this process now."""
        return [InFlight(each.preview, len(each.waiters), each.seconds) for each in self._flights.values()]

    async def close(self, grace_s: float) -> None:
        """Wait for the flights; after `grace_s` seconds release those that are left to other replicas."""
        tasks = [flight.task for flight in self._flights.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            await asyncio.gather(*map(end, late))

    def _start(self, preview: Preview) -> SharedFlight:
        if len(self._flights) >= self._max_flights:
            self._parts.observer.refused()
            raise Overloaded("as many flights as this process may have", self._load.drain_s(len(self._flights)))
        flight = SharedFlight(preview, self._tracer.start(preview), self._parts)
        flight.task = asyncio.create_task(self._run(flight), name=f"flight {preview.flight_key}")
        self._flights[preview.flight_key] = flight
        return flight

    async def _run(self, flight: SharedFlight) -> None:
        preview = flight.preview
        try:
            with flight.span:
                batch = open_batch(self._companions(preview), self._parts)
                async with Flight(preview, self._parts, batch).run() as result:
                    self._publish(flight, result)
                    await resume_waiter(len(flight.waiters))
        except asyncio.CancelledError:  # by `close`
            if not flight.waiters.published:
                flight.waiters.publish(FlightResult(Failure.of(Overloaded("this process is stopping"))))
            raise
        except BaseException:  # noqa: BLE001 -- a defect, or a panic in Rust; the waiters must get an answer all the same
            self._parts.observer.crashed(preview)
            if not flight.waiters.published:
                self._publish(flight, FlightResult(CRASHED))
        finally:
            del self._flights[preview.flight_key]

    def _publish(self, flight: SharedFlight, result: FlightResult) -> None:
        waiters = len(flight.waiters)
        flight.waiters.publish(result)
        flight.span.completed(result)
        # After the waiters, who are scheduled by now: the line in the log alone takes as long as an answer.
        report = partial(
            self._parts.observer.completed, flight.preview, result, waiters=waiters, seconds=flight.seconds
        )
        asyncio.get_running_loop().call_soon(report)
