"""The heart: however many ask for a preview, from however many replicas, it is made once and all get the result.

in this process     one task per preview, which belongs to no request: no disconnect ends it
between processes   one flight on the board:

absent ──claim──▶ lease (renewed while the work goes on) ──settle──▶ result ──its time──▶ absent
                    └─ owner dies, lease ends ─▶ absent: the next claim takes over

0 s                lease          invoke deadline     lock TTL            waiters' deadline
├── look at S3, resize ─┴ renew … ──────┤ (failure)   ┤ (no more renewal) ┤ NotInTime
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import structlog

from prewmanager.errors import NotInTime, Overloaded, PreviewFailed, ResizerFailed, StorageFailed
from prewmanager.ports import (
    Busy,
    Failure,
    FlightBoard,
    Lease,
    Made,
    Observer,
    Outcome,
    PreviewStore,
    Resizer,
    Settled,
    Source,
)
from prewmanager.preview import Preview

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """All times of a flight, in seconds; `settings` checks that they fit together."""

    lease_s: float
    lock_ttl_s: float
    invoke_s: float
    wait_s: float
    first_poll_s: float = 0.05
    longest_poll_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long the outcome of a flight is remembered, in seconds, by its kind."""

    made_s: float
    by_kind: dict[str, float]

    def of(self, outcome: Outcome) -> float:
        """Seconds for which this outcome is told to whoever asks."""
        return self.made_s if isinstance(outcome, Made) else self.by_kind[outcome.kind]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request gets: the preview, how it came about, and what took how long (milliseconds by name)."""

    made: Made
    source: Source
    timings_ms: dict[str, float]


@dataclass(slots=True)
class _Landed:
    outcome: Outcome
    source: Source
    timings_ms: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings_ms[name] = self.timings_ms.get(name, 0.0) + (time.perf_counter() - started) * 1000


class Coalescer:
    """Gives each request its preview, with one flight for all that want the same one."""

    def __init__(  # noqa: PLR0913 -- its collaborators, each a port, and the times
        self,
        *,
        board: FlightBoard,
        resizer: Resizer,
        store: PreviewStore,
        observer: Observer,
        timing: Timing,
        lifetimes: Lifetimes,
        max_flights: int,
    ) -> None:
        """`max_flights` bounds how many previews this process makes or waits for at the same time."""
        self._board = board
        self._resizer = resizer
        self._store = store
        self._observer = observer
        self._timing = timing
        self._lifetimes = lifetimes
        self._max_flights = max_flights
        self._flights: dict[str, asyncio.Task[_Landed]] = {}

    async def preview(self, preview: Preview) -> Answer:
        """The preview, made now or by whoever is making it already.

        Raises the `PreviewFailed` that the flight ended with, `NotInTime` when it did not end before the waiters'
        deadline (it goes on all the same), and `Overloaded` when one more flight is one too many.
        """
        flight = self._flights.get(preview.flight_key)
        joined = flight is not None
        if flight is None:
            flight = self._start(preview)
        try:
            async with asyncio.timeout(self._timing.wait_s):
                landed = await asyncio.shield(flight)
        except TimeoutError:
            raise NotInTime("waited for the flight until the deadline") from None
        if isinstance(landed.outcome, Failure):
            raise landed.outcome.error()
        return Answer(landed.outcome, Source.JOINED if joined else landed.source, landed.timings_ms)

    async def close(self, grace_s: float) -> None:
        """Wait for the flights under way; after `grace_s` hand those that are left to other replicas."""
        flights = list(self._flights.values())
        if flights:
            _, late = await asyncio.wait(flights, timeout=grace_s)
            for flight in late:
                flight.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(self, preview: Preview) -> asyncio.Task[_Landed]:
        if len(self._flights) >= self._max_flights:
            raise Overloaded("as many flights as this process may have", retry_after_s=self._timing.invoke_s / 2)
        key = preview.flight_key
        flight = asyncio.create_task(self._fly(preview), name=f"flight {key}")
        self._flights[key] = flight
        flight.add_done_callback(lambda _: self._flights.pop(key))
        return flight

    async def _fly(self, preview: Preview) -> _Landed:
        """From the claim to the outcome, which is what everybody waits for."""
        landed = _Landed(Failure.of(NotInTime()), Source.JOINED)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timing.wait_s):
                await self._land(preview, landed)
        except TimeoutError:
            landed.outcome = Failure.of(NotInTime("nobody landed it before the deadline"))
        self._observer.landed(preview, landed.outcome, landed.source, time.perf_counter() - started)
        return landed

    async def _land(self, preview: Preview, landed: _Landed) -> None:
        """Claim, and either make it, or wait for the one who does; a claim that succeeds late is a takeover."""
        pause_s, waited = self._timing.first_poll_s, False
        while True:
            with landed.timed("lock"):
                claim = await self._board.claim(preview.flight_key)
            if isinstance(claim, Settled):
                landed.outcome = claim.outcome
                return
            if not isinstance(claim, Busy):
                if waited:
                    self._observer.took_over(preview)
                await self._make(preview, claim, landed)
                return
            waited = True
            with landed.timed("lock"):
                # Jitter keeps replicas that began together from asking together for ever.
                await self._board.watch(preview.flight_key, pause_s * random.uniform(0.75, 1.25))  # noqa: S311 -- no secret
            pause_s = min(pause_s * 1.5, self._timing.longest_poll_s)

    async def _make(self, preview: Preview, lease: Lease, landed: _Landed) -> None:
        try:
            async with self._kept(lease, preview):
                await self._produce(preview, landed)
        except asyncio.CancelledError:
            await asyncio.shield(lease.abandon())
            raise
        if not await lease.settle(landed.outcome, self._lifetimes.of(landed.outcome)):
            _log.warning("flight.lease_lost", key=preview.preview_key)

    async def _produce(self, preview: Preview, landed: _Landed) -> None:
        """Look again at S3, since the preview may have been written since nginx asked; make it where it is missing."""
        try:
            async with asyncio.timeout(self._timing.invoke_s):
                with landed.timed("s3"):
                    found = await self._find(preview)
                if found is not None:
                    landed.outcome, landed.source = found, Source.FOUND
                    return
                landed.source = Source.MADE
                with landed.timed("lambda"):
                    landed.outcome = await self._resizer.resize(preview)
        except TimeoutError:
            landed.outcome = Failure.of(NotInTime("the resizer did not answer before the invoke deadline"))
        except PreviewFailed as error:
            landed.outcome = Failure.of(error)
        except Exception:  # noqa: BLE001 -- whatever it is, those who wait must get an answer
            _log.exception("flight.broke", key=preview.preview_key)
            landed.outcome = Failure(ResizerFailed.kind, "an unexpected error, in the log")

    async def _find(self, preview: Preview) -> Made | None:
        try:
            return await self._store.find(preview.preview_key)
        except StorageFailed as error:
            # The look only saves work. Whoever makes the preview finds out whether S3 is there for it.
            _log.warning("flight.look_failed", key=preview.preview_key, error=error.detail)
            return None

    @contextlib.asynccontextmanager
    async def _kept(self, lease: Lease, preview: Preview) -> AsyncIterator[None]:
        renewal = asyncio.create_task(self._renew(lease), name=f"lease {preview.flight_key}")
        try:
            yield
        finally:
            renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewal

    async def _renew(self, lease: Lease) -> None:
        ends = time.monotonic() + self._timing.lock_ttl_s - self._timing.lease_s
        while time.monotonic() < ends:
            # A third leaves room for one lost renewal before the lease ends.
            await asyncio.sleep(self._timing.lease_s / 3)
            if not await lease.renew():
                return
