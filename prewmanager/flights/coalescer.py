"""The heart: however many ask this process for a preview, one flight serves them all.

A flight belongs to no request, so no disconnect ends it. Between processes it is the board that keeps it one
(`flight`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from prewmanager.errors import Overloaded, ResizerFailed
from prewmanager.flights.flight import Flight, no_companions
from prewmanager.flights.placeholder import FallbackFinder
from prewmanager.flights.ports import (
    Failure,
    FlightObserver,
    FlightResult,
    FlightStore,
    InFlight,
    Made,
    PreviewStore,
    Resizer,
    Source,
)
from prewmanager.flights.timing import Lifetimes, Timing
from prewmanager.previews.catalogue import Preview
from prewmanager.resizing.load import Load
from prewmanager.tasks import end

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request gets: the preview, how it came about, and what took how long (milliseconds by name)."""

    made: Made
    source: Source
    timings_ms: dict[str, float]


class Coalescer:
    """Gives each request its preview, with one flight for all that want the same one."""

    def __init__(  # noqa: PLR0913 -- its collaborators, each a port, and the times
        self,
        *,
        flight_store: FlightStore,
        resizer: Resizer,
        store: PreviewStore,
        observer: FlightObserver,
        timing: Timing,
        lifetimes: Lifetimes,
        load: Load,
        max_flights: int,
        flight: Callable[..., Flight] = Flight,
        fallback: FallbackFinder | None = None,
        companions: Callable[[Preview], Sequence[Preview]] = no_companions,
    ) -> None:
        """`max_flights` bounds how many previews this process makes or waits for at the same time.

        `flight` is called as `Flight` is, and makes one. With `nearest`, requests may get a stand-in.
        `companions` says which previews are made along with one.
        """
        self._new_flight = partial(
            flight,
            flight_store=flight_store,
            resizer=resizer,
            store=store,
            observer=observer,
            timing=timing,
            lifetimes=lifetimes,
            fallback=fallback,
            companions=companions,
        )
        self._observer = observer
        self._load = load
        self._max_flights = max_flights
        self._flights: dict[str, Flight] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def preview(self, preview: Preview) -> Answer:
        """The preview, made now or by whoever is making it already.

        Where stand-ins are wanted, the nearest one that exists, from the source `FALLBACK`, when it takes too long.

        Raises the `PreviewFailed` that the flight ended with, `DeadlineExceeded` when it did not end before the waiters'
        deadline (it goes on all the same), and `Overloaded` when one more flight is one too many.
        """
        flight = self._flights.get(preview.flight_key)
        joined = flight is not None
        if flight is None:
            flight = self._start(preview)
        self._observer.waiting(1)
        try:
            result = await flight.wait()
        finally:
            self._observer.waiting(-1)
        if isinstance(result.outcome, Failure):
            raise result.outcome.error()
        source = Source.JOINED if joined and result.source is not Source.FALLBACK else result.source
        return Answer(result.outcome, source, result.timings_ms)

    def in_flight(self) -> list[InFlight]:
        """The flights of this process now."""
        return [flight.in_flight for flight in self._flights.values()]

    async def close(self, grace_s: float) -> None:
        """Wait for the flights under way; after `grace_s` seconds hand those that are left to other replicas."""
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            await asyncio.gather(*map(end, late))

    def _start(self, preview: Preview) -> Flight:
        if len(self._flights) >= self._max_flights:
            raise Overloaded("as many flights as this process may have", self._load.drain_s(len(self._flights)))
        key = preview.flight_key
        flight = self._new_flight(preview)
        self._flights[key] = flight
        self._tasks[key] = asyncio.create_task(self._run(flight, preview), name=f"flight {key}")
        return flight

    async def _run(self, flight: Flight, preview: Preview) -> None:
        try:
            await flight.run()
        except Exception:  # noqa: BLE001 -- a defect of ours; those who wait must get an answer all the same
            _log.exception("flight.broke", key=preview.preview_key)
            flight.tell(FlightResult(Failure(ResizerFailed.kind, "an unexpected error, in the log")))
        finally:
            del self._flights[preview.flight_key], self._tasks[preview.flight_key]
            # Only closing ends a flight before it has landed.
            flight.fail(Overloaded("this process is stopping"))
