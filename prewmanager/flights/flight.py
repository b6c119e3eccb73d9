"""One flight between processes: who renders a preview, and what every waiter gets.

    absent ──acquire──▶ lease (renewed while the work goes on) ──complete──▶ result ──TTL──▶ absent
                          └─ the process dies, the lease expires ─▶ absent: the next acquire is a takeover

A process that does not get the lease polls; notifications only make a poll come earlier. Each poll tries to acquire the
lease, so that a takeover needs no step of its own. A process that fails by a fault of its own, such as credentials that
have expired, releases the lease for others.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import structlog

from prewmanager.errors import (
    DeadlineExceeded,
    PreviewFailed,
    QuotaExceeded,
    ReplicaFailed,
    ResizerFailed,
    StorageFailed,
)
from prewmanager.flights.completing import Ending, complete
from prewmanager.flights.lease import kept
from prewmanager.flights.parts import FlightParts
from prewmanager.flights.ports import Batch, Lease
from prewmanager.flights.result import Completed, FlightResult, Held, Stopwatch
from prewmanager.flights.unwritten import PendingWrite
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Failure, Made, Outcome, Source
from prewmanager.resizing.photos import Fault
from prewmanager.resizing.render import RenderJob, RenderResult

_log = structlog.get_logger(__name__)
CRASHED = Failure(ResizerFailed.kind, "an unexpected error, in the log")


class Flight:
    """The part that this process takes in the flight of one preview."""

    def __init__(
        self, preview: Preview, parts: FlightParts, batch: contextlib.AbstractAsyncContextManager[Batch]
    ) -> None:
        self._preview = preview
        self._parts = parts
        self._batch = batch
        self._stopwatch = Stopwatch()
        self._deadline = asyncio.get_running_loop().time() + parts.timing.wait_s

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[FlightResult]:
        """Yield the result as soon as this process knows it; complete the lease when the block ends.

        The waiters of this process get the result inside the block, so that they need not wait for the flight store,
        which may be the part that fails.
        """
        with self._parts.flight_store.watching(self._preview.flight_key):
            acquired = await self._acquire()
            if not isinstance(acquired, FlightResult):
                try:
                    async with self._rendered(acquired) as result:
                        yield result
                except ReplicaFailed as error:
                    acquired = await self._leave_to_others(error)
                except QuotaExceeded as error:
                    acquired = self._result(Failure.of(error))
            if isinstance(acquired, FlightResult):
                yield acquired

    async def _acquire(self) -> Lease | FlightResult:
        """Return the lease, or the result of the process that has it, or a failure at the waiters' deadline."""
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._poll()
        except TimeoutError:
            error = DeadlineExceeded("no process completed the flight before the deadline")
            return self._result(Failure.of(error))

    async def _poll(self) -> Lease | FlightResult:
        parts, key = self._parts, self._preview.flight_key
        pause_s, waited = parts.timing.first_poll_s, False
        while True:
            with self._stopwatch.step("lock"):
                acquired = await parts.flight_store.acquire(key)
            if isinstance(acquired, Completed):
                joined = self._result(acquired.outcome, Source.JOINED) if waited else None
                result = joined or await self._checked(acquired)
                if result is not None:
                    return result
                continue
            if not isinstance(acquired, Held):
                if waited:
                    parts.observer.took_over(self._preview)
                return acquired
            waited = True
            with self._stopwatch.step("lock"):
                # Jitter keeps replicas that started together from polling together.
                wait_s = pause_s * random.uniform(0.75, 1.25)  # noqa: S311 -- no secret
                await parts.flight_store.wait_for_change(key, wait_s)
            pause_s = min(pause_s * 1.5, parts.timing.longest_poll_s)

    @contextlib.asynccontextmanager
    async def _rendered(self, lease: Lease) -> AsyncIterator[FlightResult]:
        """Render and yield the result, then complete the lease; release it where only this process or client fails.

        A takeover late in the flight has as much time as any other: its result serves those who ask next.
        """
        async with self._batch as batch, kept(lease, self._parts.timing):
            ending = await self._render(batch, keeps_previews=lease.keeps_previews)
            outcome = ending.result.outcome
            yield ending.result
            if await self._is_current(outcome):
                completed = await complete(lease, self._preview, ending, self._parts)
                await batch.complete(self._preview, outcome, ending.companions)
                if completed:
                    return
        await lease.release()

    async def _is_current(self, outcome: Outcome) -> bool:
        """Whether a failure is that of the photo as it is now: it may have been uploaded since it was known to fail."""
        if not isinstance(outcome, Failure) or outcome.is_transient:
            return True
        return await self._parts.photos.is_current(self._preview.photo_key)

    async def _leave_to_others(self, error: ReplicaFailed) -> FlightResult:
        """Return the result of a replica that renders instead or, where none does, this one's failure."""
        _log.warning("flight.left_to_others", key=self._preview.preview_key, error=error.detail)
        self._parts.ability.failed()
        await asyncio.sleep(self._parts.timing.others_s)
        acquired = await self._acquire()
        if isinstance(acquired, FlightResult):
            return acquired
        async with kept(acquired, self._parts.timing):
            found = await self._existing()
        await acquired.release()
        return self._result(Failure.of(error)) if found is None else self._result(found, Source.FOUND)

    async def _checked(self, completed: Completed) -> FlightResult | None:
        """Check that a cached preview is still stored; evict the result and return None where it is not.

        A request that did not wait for the result comes from nginx because S3 had no preview: it may have been purged.
        A preview that the store may not show yet is served, and nobody keeps it.
        """
        if not isinstance(completed.outcome, Made):
            return self._result(completed.outcome, Source.CACHED)
        if not completed.outcome.stored:
            return self._result(replace(completed.outcome, cache_control="no-store"), Source.JOINED)
        with self._stopwatch.step("s3"):
            try:
                found = await self._parts.store.find(self._preview.preview_key)
            except StorageFailed as error:
                self._log_failed_check(error)
                return self._result(completed.outcome, Source.JOINED)
        if found is not None:
            return self._result(found, Source.FOUND)
        self._parts.visibility.saw(at_once=False)
        await self._parts.flight_store.evict(self._preview.flight_key, completed)
        return None

    async def _render(self, batch: Batch, *, keeps_previews: bool) -> Ending:
        """Render the preview and its companions, unless S3 has it: it may have been written since nginx asked."""
        finding = self._parts.finding
        by_resizer = finding.by_resizer
        try:
            async with asyncio.timeout(self._parts.timing.invoke_s):
                with self._stopwatch.step("s3"):
                    found, fault = await batch.acquire_during(self._known(ask=not by_resizer))
                if found is not None:
                    finding.answered(found=True)
                    return Ending(self._result(found, Source.FOUND))
                if fault is not None:
                    source = Source.CACHED if fault.known else Source.MADE
                    return Ending(self._result(fault.failure, source))
                return await self._resized(batch, find=by_resizer, keeps_previews=keeps_previews)
        except (ReplicaFailed, QuotaExceeded):
            raise
        except TimeoutError:
            failure = Failure.of(DeadlineExceeded("the resizer did not answer before the invoke deadline"))
        except PreviewFailed as error:
            failure = Failure.of(error)
        except Exception:  # noqa: BLE001 -- whatever it is, the waiters must get an answer
            self._parts.observer.crashed(self._preview)
            failure = CRASHED
        return Ending(self._result(failure))

    async def _resized(self, batch: Batch, *, find: bool, keeps_previews: bool) -> Ending:
        """Have the preview rendered, and answered before it is written where the flight store serves it meanwhile."""
        parts, is_probe = self._parts, self._parts.visibility.is_due()
        answer_first = (
            keeps_previews
            and not batch.previews
            and not is_probe
            and parts.visibility.at_once
            and parts.memory.has_room
            and parts.unwritten.may_be_more
        )
        with self._stopwatch.step("lambda"):
            job = RenderJob(self._preview, batch.previews, find=find, answer_first=answer_first)
            rendered = await parts.resizer.resize(job)
        parts.finding.answered(found=rendered.found)
        parts.finding.resizer_can(rendered.can)
        parts.unwritten.resizer_can(rendered.can)
        if rendered.found:
            return Ending(self._result(rendered.made, Source.FOUND))
        write = None if rendered.made.stored else PendingWrite(rendered.write)
        made, companions = self._with_bytes_needed(rendered)
        return Ending(self._result(made, Source.MADE), companions, write, is_probe)

    def _with_bytes_needed(self, rendered: RenderResult) -> tuple[Made, Mapping[str, Outcome]]:
        """Return the outcomes; where the bucket may not show them yet, they say so."""
        if self._parts.visibility.at_once:
            return rendered.made, rendered.companions
        companions = {
            name: replace(each, stored=False) if isinstance(each, Made) else each
            for name, each in rendered.companions.items()
        }
        return replace(rendered.made, stored=False), companions

    async def _known(self, *, ask: bool) -> tuple[Made | None, Fault | None]:
        """Return the stored preview, if S3 is to be asked here, and the fault of its photo."""
        fault = self._parts.photos.fault(self._preview.photo_key)
        return await asyncio.gather(self._existing(), fault) if ask else (None, await fault)

    async def _existing(self) -> Made | None:
        try:
            return await self._parts.store.find(self._preview.preview_key)
        except StorageFailed as error:
            # The check only saves work: rendering finds out whether S3 is available.
            self._log_failed_check(error)
            return None

    def _log_failed_check(self, error: StorageFailed) -> None:
        _log.warning("flight.existence_check_failed", key=self._preview.preview_key, error=error.detail)

    def _result(self, outcome: Outcome, source: Source = Source.MADE) -> FlightResult:
        return FlightResult(self._parts.memory.within(outcome), source, self._stopwatch.timings_ms)
