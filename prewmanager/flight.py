"""One flight: between processes, who makes a preview, and what everybody gets.

    absent ──claim──▶ lease (renewed while the work goes on) ──settle──▶ result ──its time──▶ absent
                        └─ owner dies, lease ends ─▶ absent: the next claim takes over

    0 s                lease          invoke deadline     lock TTL            waiters' deadline
    ├── look at S3, resize ─┴ renew … ──────┤ (failure)   ┤ (no more renewal) ┤ NotInTime

Whoever waits polls; the board's news only make a poll come earlier. A claim is a poll as well, so that taking over
from a dead owner needs no step of its own.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from prewmanager.errors import NotInTime, PreviewFailed, ResizerFailed, StorageFailed
from prewmanager.nearest import Nearest
from prewmanager.ports import (
    Busy,
    Failure,
    FlightBoard,
    Landed,
    Lease,
    Made,
    Observer,
    PreviewStore,
    Resizer,
    Settled,
    Siblings,
    Source,
    UnderWay,
)
from prewmanager.preview import Preview
from prewmanager.renewal import renewed
from prewmanager.siblings import SiblingFlights
from prewmanager.tasks import background
from prewmanager.timing import Lifetimes, Timing
from prewmanager.waiters import Waiters

_log = structlog.get_logger(__name__)


def no_siblings(_: Preview) -> Sequence[Preview]:
    """Each preview is made for itself."""
    return ()


class Flight:
    """The flight of one preview, as this process takes part in it."""

    def __init__(  # noqa: PLR0913 -- the ports it uses, and the times
        self,
        preview: Preview,
        *,
        board: FlightBoard,
        resizer: Resizer,
        store: PreviewStore,
        observer: Observer,
        timing: Timing,
        lifetimes: Lifetimes,
        nearest: Nearest | None = None,
        siblings: Callable[[Preview], Sequence[Preview]] = no_siblings,
    ) -> None:
        """The flight begins with `fly`; those who want its outcome `wait` for it, before or after.

        `nearest`: what looks for stand-ins, where there shall be some. `siblings`: which previews are made along with
        one, where they are missing.
        """
        self._preview = preview
        self._board = board
        self._resizer = resizer
        self._store = store
        self._observer = observer
        self._timing = timing
        self._lifetimes = lifetimes
        self._began = time.perf_counter()
        self._nearest = nearest
        self._stand_in: Landed | None = None
        self._siblings: SiblingFlights | None = None
        self._also: Siblings | None = None
        if previews := siblings(preview):
            self._siblings = SiblingFlights(
                previews, board=board, store=store, observer=observer, timing=timing, lifetimes=lifetimes
            )
        self._landed = False
        self._waiters = Waiters(timing.wait_s)

    def wait(self) -> Awaitable[Landed]:
        """The outcome, as soon as it is known in this process, which is before the board knows it.

        Where a stand-in was found meanwhile, that one. Raises `NotInTime` when it takes too long, and what `dissolve`
        was given.
        """
        return self._waiters.wait()

    @property
    def under_way(self) -> UnderWay:
        """How it stands."""
        return UnderWay(self._preview, len(self._waiters), time.perf_counter() - self._began)

    def dissolve(self, error: PreviewFailed) -> None:
        """Have those who still wait raise `error`: nothing comes of this flight in this process."""
        self._waiters.dissolve(error)

    async def fly(self) -> None:
        """From the claim to the outcome, and to the end of the lease where this process made it."""
        self._began = time.perf_counter()
        if self._nearest is None:
            await self._fly()
            return
        async with background(self._stand_in_later(self._nearest), "stand-in"):
            await self._fly()

    async def _stand_in_later(self, nearest: Nearest) -> None:
        await asyncio.sleep(nearest.after_s)
        self._stand_in = await nearest.find(self._preview)
        if self._stand_in is not None and not self._landed:
            self._waiters.tell(self._stand_in)

    async def _fly(self) -> None:
        landed = Landed(Failure.of(NotInTime("nobody landed it before the deadline")))
        try:
            async with asyncio.timeout(self._timing.wait_s):
                await self._land(landed)
        except TimeoutError:
            await self._tell(landed)

    async def _land(self, landed: Landed) -> None:
        """Claim, and either make it, or wait for the one who does; a claim that succeeds late is a takeover."""
        pause_s, waited = self._timing.first_poll_s, False
        while True:
            with landed.timed("lock"):
                claim = await self._board.claim(self._preview.flight_key)
            if isinstance(claim, Settled):
                landed.outcome = claim.outcome
                if not waited and await self._is_gone(claim, landed):
                    continue
                await self._tell(landed)
                return
            if not isinstance(claim, Busy):
                if waited:
                    self._observer.took_over(self._preview)
                await self._make(claim, landed)
                return
            waited = True
            with landed.timed("lock"):
                # Jitter keeps replicas that began together from asking together for ever.
                wait_s = pause_s * random.uniform(0.75, 1.25)  # noqa: S311 -- no secret
                await self._board.watch(self._preview.flight_key, wait_s)
            pause_s = min(pause_s * 1.5, self._timing.longest_poll_s)

    async def _is_gone(self, settled: Settled, landed: Landed) -> bool:
        """Whether a preview that the board remembers is in the bucket no more, and then have the board forget it.

        Who did not wait for it was sent here because the bucket had no preview: it may have been purged since.
        """
        if not isinstance(settled.outcome, Made):
            return False
        with landed.timed("s3"):
            try:
                found = await self._store.find(self._preview.preview_key)
            except StorageFailed as error:
                _log.warning("flight.look_failed", key=self._preview.preview_key, error=error.detail)
                return False
        if found is None:
            await self._board.forget(self._preview.flight_key, settled)
            return True
        landed.outcome, landed.source = found, Source.FOUND
        return False

    async def _make(self, lease: Lease, landed: Landed) -> None:
        try:
            # A third leaves room for one lost renewal before the lease ends.
            renewing = renewed(
                lease, every_s=self._timing.lease_s / 3, for_s=self._timing.lock_ttl_s - self._timing.lease_s
            )
            async with renewing:
                await self._produce(landed)
                # Those who wait here need not wait for the board, which may be the part that fails.
                await self._tell(landed)
                if landed.waiters == 1:
                    # One answer is sent sooner than the board is told; hundreds would keep the other replicas waiting.
                    await asyncio.sleep(0)
                kept = await lease.settle(landed.outcome, self._lifetimes.of(landed.outcome))
                if self._siblings and self._also:
                    await self._siblings.land(self._also, self._preview, landed.outcome)
        except asyncio.CancelledError:
            await asyncio.shield(lease.abandon())
            raise
        finally:
            if self._siblings:
                await asyncio.shield(self._siblings.close())
        if not kept:
            _log.warning("flight.lease_lost", key=self._preview.preview_key)

    async def _produce(self, landed: Landed) -> None:
        """Look again at S3, since the preview may have been written since nginx asked; make it where it is missing."""
        try:
            async with asyncio.timeout(self._timing.invoke_s):
                with landed.timed("s3"):
                    found = await (self._find_and_claim(self._siblings) if self._siblings else self._find())
                if found is not None:
                    landed.outcome, landed.source = found, Source.FOUND
                    return
                landed.source = Source.MADE
                with landed.timed("lambda"):
                    landed.outcome = await self._resizer.resize(self._preview, self._also)
        except TimeoutError:
            landed.outcome = Failure.of(NotInTime("the resizer did not answer before the invoke deadline"))
        except PreviewFailed as error:
            landed.outcome = Failure.of(error)
        except Exception:  # noqa: BLE001 -- whatever it is, those who wait must get an answer
            _log.exception("flight.broke", key=self._preview.preview_key)
            landed.outcome = Failure(ResizerFailed.kind, "an unexpected error, in the log")

    async def _find_and_claim(self, siblings: SiblingFlights) -> Made | None:
        found, self._also = await asyncio.gather(self._find(), siblings.claim())
        return found

    async def _find(self) -> Made | None:
        try:
            return await self._store.find(self._preview.preview_key)
        except StorageFailed as error:
            # The look only saves work. Whoever makes the preview finds out whether S3 is there for it.
            _log.warning("flight.look_failed", key=self._preview.preview_key, error=error.detail)
            return None

    async def _tell(self, landed: Landed) -> None:
        """Tell the outcome; in place of a failure that says nothing of the photo, give what stands in for it."""
        instead = None
        if self._nearest is not None and isinstance(landed.outcome, Failure) and landed.outcome.is_transient:
            instead = self._stand_in or await self._nearest.find(self._preview)
        self.tell(landed, instead)

    def tell(self, landed: Landed, instead: Landed | None = None) -> None:
        """Give the outcome to the observer and to those who wait in this process; the first one counts.

        They get `instead` where there is one.
        """
        if self._landed:
            return
        self._landed = True
        landed.waiters = len(self._waiters)
        self._waiters.tell(instead or landed)
        # After those who were told now: the line in the log alone takes as long as an answer.
        seconds = time.perf_counter() - self._began
        asyncio.get_running_loop().call_soon(self._observer.landed, self._preview, landed, seconds)
