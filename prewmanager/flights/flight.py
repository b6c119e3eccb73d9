"""One flight: between processes, who makes a preview, and what everybody gets.

    absent ──claim──▶ lease (renewed while the work goes on) ──settle──▶ result ──its time──▶ absent
                        └─ owner dies, lease ends ─▶ absent: the next claim takes over

    0 s                lease          invoke deadline     lock TTL            waiters' deadline
    ├── look at S3, resize ─┴ renew … ──────┤ (failure)   ┤ (no more renewal) ┤ DeadlineExceeded

Whoever waits polls; the board's news only make a poll come earlier. A claim is a poll as well, so that taking over
from a dead owner needs no step of its own.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from prewmanager.errors import DeadlineExceeded, PreviewFailed, ResizerFailed, StorageFailed
from prewmanager.flights.batch import CompanionBatch
from prewmanager.flights.lease import renewed
from prewmanager.flights.placeholder import FallbackFinder
from prewmanager.flights.ports import (
    Completed,
    Failure,
    FlightObserver,
    FlightResult,
    FlightStore,
    Held,
    InFlight,
    Lease,
    Made,
    PreviewStore,
    Resizer,
    Siblings,
    Source,
)
from prewmanager.flights.timing import Lifetimes, Timing
from prewmanager.flights.waiters import Waiters
from prewmanager.previews.catalogue import Preview
from prewmanager.tasks import background

_log = structlog.get_logger(__name__)


def no_companions(_: Preview) -> Sequence[Preview]:
    """Each preview is made for itself."""
    return ()


class Flight:
    """The flight of one preview, as this process takes part in it."""

    def __init__(  # noqa: PLR0913 -- the ports it uses, and the times
        self,
        preview: Preview,
        *,
        flight_store: FlightStore,
        resizer: Resizer,
        store: PreviewStore,
        observer: FlightObserver,
        timing: Timing,
        lifetimes: Lifetimes,
        fallback: FallbackFinder | None = None,
        companions: Callable[[Preview], Sequence[Preview]] = no_companions,
    ) -> None:
        """The flight begins with `fly`; those who want its outcome `wait` for it, before or after.

        `nearest`: what looks for stand-ins, where there shall be some. `companions`: which previews are made along with
        one, where they are missing.
        """
        self._preview = preview
        self._flight_store = flight_store
        self._resizer = resizer
        self._store = store
        self._observer = observer
        self._timing = timing
        self._lifetimes = lifetimes
        self._began = time.perf_counter()
        self._fallback = fallback
        self._stand_in: FlightResult | None = None
        self._companions: CompanionBatch | None = None
        self._also: Siblings | None = None
        if previews := companions(preview):
            self._companions = CompanionBatch(
                previews, flight_store=flight_store, store=store, observer=observer, timing=timing, lifetimes=lifetimes
            )
        self._completed = False
        self._waiters = Waiters(timing.wait_s)

    def wait(self) -> Awaitable[FlightResult]:
        """The outcome, as soon as it is known in this process, which is before the board knows it.

        Where a stand-in was found meanwhile, that one. Raises `DeadlineExceeded` when it takes too long, and what `dissolve`
        was given.
        """
        return self._waiters.wait()

    @property
    def in_flight(self) -> InFlight:
        """How it stands."""
        return InFlight(self._preview, len(self._waiters), time.perf_counter() - self._began)

    def fail(self, error: PreviewFailed) -> None:
        """Have those who still wait raise `error`: nothing comes of this flight in this process."""
        self._waiters.fail(error)

    async def run(self) -> None:
        """From the claim to the outcome, and to the end of the lease where this process made it."""
        self._began = time.perf_counter()
        if self._fallback is None:
            await self._run()
            return
        async with background(self._stand_in_later(self._fallback), "stand-in"):
            await self._run()

    async def _stand_in_later(self, fallback: FallbackFinder) -> None:
        await asyncio.sleep(fallback.after_s)
        self._stand_in = await fallback.find(self._preview)
        if self._stand_in is not None and not self._completed:
            self._waiters.tell(self._stand_in)

    async def _run(self) -> None:
        result = FlightResult(Failure.of(DeadlineExceeded("nobody landed it before the deadline")))
        try:
            async with asyncio.timeout(self._timing.wait_s):
                await self._land(result)
        except TimeoutError:
            await self._tell(result)

    async def _land(self, result: FlightResult) -> None:
        """Claim, and either make it, or wait for the one who does; a claim that succeeds late is a takeover."""
        pause_s, waited = self._timing.first_poll_s, False
        while True:
            with result.timed("lock"):
                acquired = await self._flight_store.acquire(self._preview.flight_key)
            if isinstance(acquired, Completed):
                result.outcome = acquired.outcome
                if not waited and await self._is_gone(acquired, result):
                    continue
                await self._tell(result)
                return
            if not isinstance(acquired, Held):
                if waited:
                    self._observer.took_over(self._preview)
                await self._make(acquired, result)
                return
            waited = True
            with result.timed("lock"):
                # Jitter keeps replicas that began together from asking together for ever.
                wait_s = pause_s * random.uniform(0.75, 1.25)  # noqa: S311 -- no secret
                await self._flight_store.wait_for_change(self._preview.flight_key, wait_s)
            pause_s = min(pause_s * 1.5, self._timing.longest_poll_s)

    async def _is_gone(self, settled: Completed, result: FlightResult) -> bool:
        """Whether a preview that the board remembers is in the bucket no more, and then have the board forget it.

        Who did not wait for it was sent here because the bucket had no preview: it may have been purged since.
        """
        if not isinstance(settled.outcome, Made):
            return False
        with result.timed("s3"):
            try:
                found = await self._store.find(self._preview.preview_key)
            except StorageFailed as error:
                _log.warning("flight.look_failed", key=self._preview.preview_key, error=error.detail)
                return False
        if found is None:
            await self._flight_store.evict(self._preview.flight_key, settled)
            return True
        result.outcome, result.source = found, Source.FOUND
        return False

    async def _make(self, lease: Lease, result: FlightResult) -> None:
        try:
            # A third leaves room for one lost renewal before the lease ends.
            renewing = renewed(
                lease, every_s=self._timing.lease_s / 3, for_s=self._timing.lock_ttl_s - self._timing.lease_s
            )
            async with renewing:
                await self._produce(result)
                # Those who wait here need not wait for the board, which may be the part that fails.
                await self._tell(result)
                if result.waiters == 1:
                    # One answer is sent sooner than the board is told; hundreds would keep the other replicas waiting.
                    await asyncio.sleep(0)
                kept = await lease.complete(result.outcome, self._lifetimes.of(result.outcome))
                if self._companions and self._also:
                    await self._companions.land(self._also, self._preview, result.outcome)
        except asyncio.CancelledError:
            await asyncio.shield(lease.release())
            raise
        finally:
            if self._companions:
                await asyncio.shield(self._companions.close())
        if not kept:
            _log.warning("flight.lease_lost", key=self._preview.preview_key)

    async def _produce(self, result: FlightResult) -> None:
        """Look again at S3, since the preview may have been written since nginx asked; make it where it is missing."""
        try:
            async with asyncio.timeout(self._timing.invoke_s):
                with result.timed("s3"):
                    found = await (self._find_and_claim(self._companions) if self._companions else self._find())
                if found is not None:
                    result.outcome, result.source = found, Source.FOUND
                    return
                result.source = Source.MADE
                with result.timed("lambda"):
                    result.outcome = await self._resizer.resize(self._preview, self._also)
        except TimeoutError:
            result.outcome = Failure.of(DeadlineExceeded("the resizer did not answer before the invoke deadline"))
        except PreviewFailed as error:
            result.outcome = Failure.of(error)
        except Exception:  # noqa: BLE001 -- whatever it is, those who wait must get an answer
            _log.exception("flight.broke", key=self._preview.preview_key)
            result.outcome = Failure(ResizerFailed.kind, "an unexpected error, in the log")

    async def _find_and_claim(self, companions: CompanionBatch) -> Made | None:
        found, self._also = await asyncio.gather(self._find(), companions.acquire())
        return found

    async def _find(self) -> Made | None:
        try:
            return await self._store.find(self._preview.preview_key)
        except StorageFailed as error:
            # The look only saves work. Whoever makes the preview finds out whether S3 is there for it.
            _log.warning("flight.look_failed", key=self._preview.preview_key, error=error.detail)
            return None

    async def _tell(self, result: FlightResult) -> None:
        """Tell the outcome; in place of a failure that says nothing of the photo, give what stands in for it."""
        instead = None
        if self._fallback is not None and isinstance(result.outcome, Failure) and result.outcome.is_transient:
            instead = self._stand_in or await self._fallback.find(self._preview)
        self.tell(result, instead)

    def tell(self, result: FlightResult, instead: FlightResult | None = None) -> None:
        """Give the outcome to the observer and to those who wait in this process; the first one counts.

        They get `instead` where there is one.
        """
        if self._completed:
            return
        self._completed = True
        result.waiters = len(self._waiters)
        self._waiters.tell(instead or result)
        # After those who were told now: the line in the log alone takes as long as an answer.
        seconds = time.perf_counter() - self._began
        asyncio.get_running_loop().call_soon(self._observer.completed, self._preview, result, seconds)
