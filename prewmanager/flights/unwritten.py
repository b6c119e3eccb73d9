"""Previews that were answered before they are written: each is followed until S3 has it, or it is lost.

    answered ──▶ the result has the bytes ──reported, or found in S3──▶ without the bytes: S3 serves the preview
                                          └ not there when no write can come any more ─▶ evicted: rendered again

Nobody waits for any of this, and nothing depends on it: where this process dies, the result expires.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import Future
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum, auto

from prewmanager.flights.lease import Lifetimes
from prewmanager.flights.ports import FlightObserver, Lease, ObjectFinder
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Made
from prewmanager.resizing.photos import Photos
from prewmanager.tasks import end

_FIRST_S = 2.0  # after the answer: most writes are done, and few bytes are kept for nothing
_MOST = 1000  # followed at once by one process: some 500 bytes of memory each
_REQUESTS = 8  # to S3 at once


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A write that began with its answer; `report` is whether it succeeded, where the resizer reports that."""

    report: Future[bool] | None = None


class _Fate(Enum):
    """What became of a preview; `OUTDATED`: its photo has changed meanwhile, and the function deleted it."""

    WRITTEN = auto()
    LOST = auto()
    OUTDATED = auto()
    UNKNOWN = auto()


class UnwrittenPreviews:
    """What this process has answered, and does not know to be written."""

    def __init__(
        self,
        previews: ObjectFinder,
        photos: Photos,
        observer: FlightObserver,
        lifetimes: Lifetimes,
        *,
        allowed: bool,
        first_s: float = _FIRST_S,
        most: int = _MOST,
    ) -> None:
        """`allowed` False: none is answered before it is written. `first_s`: seconds until S3 is asked."""
        self._previews = previews
        self._photos = photos
        self._observer = observer
        self._lifetimes = lifetimes
        self._allowed = allowed
        self._first_s = min(first_s, lifetimes.unwritten_s / 2)
        self._most = most
        self._is_able = False
        self._slots = asyncio.Semaphore(_REQUESTS)
        self._tasks: dict[asyncio.Task[None], Future[bool] | None] = {}

    @property
    def may_be_more(self) -> bool:
        """Whether the resizer may answer another preview before it is written."""
        return self._allowed and self._is_able and len(self._tasks) < self._most

    def resizer_can(self, abilities: Collection[str]) -> None:
        """Note what the resizer says of itself."""
        self._is_able = "answer_first" in abilities

    def follow(self, preview: Preview, made: Made, lease: Lease, write: PendingWrite) -> None:
        """Find out whether a preview is written whose lease is completed with its bytes; `made` is without them."""
        task = asyncio.create_task(self._follow(preview, made, lease, write), name=f"write of {preview.preview_key}")
        self._tasks[task] = write.report
        task.add_done_callback(self._tasks.pop)

    async def close(self, grace_s: float) -> None:
        """Wait for the reports of writes that end with this process; what S3 would be asked for is left to expire."""
        reported = [task for task, report in self._tasks.items() if report is not None]
        if reported:
            await asyncio.wait(reported, timeout=grace_s)
        await asyncio.gather(*map(end, list(self._tasks)))

    async def _follow(self, preview: Preview, made: Made, lease: Lease, write: PendingWrite) -> None:
        try:
            fate = await self._fate(preview, write.report)
        except asyncio.CancelledError:
            if write.report is not None:
                self._observer.write_lost(preview)
            raise
        if fate is _Fate.LOST:
            self._observer.write_lost(preview)
        if fate in {_Fate.LOST, _Fate.OUTDATED}:
            await lease.replace(None, 0)
        elif fate is _Fate.WRITTEN:
            stored = replace(made, stored=True)
            await lease.replace(stored, self._lifetimes.of(stored))

    async def _fate(self, preview: Preview, report: Future[bool] | None) -> _Fate:
        """Return what became of a preview, by a report or by S3."""
        there = None
        for pause_s in (self._first_s, self._lifetimes.unwritten_s - self._first_s):
            with contextlib.suppress(TimeoutError):
                return _Fate.WRITTEN if await _reported(report, pause_s) else _Fate.LOST
            async with self._slots:
                there = await self._previews.exists(preview.preview_key)
            if there:
                return _Fate.WRITTEN
            if there is False and not await self._photos.is_current(preview.photo_key):
                return _Fate.OUTDATED
        return _Fate.UNKNOWN if there is None else _Fate.LOST


async def _reported(report: Future[bool] | None, within_s: float) -> bool:
    """Return the report. Raises `TimeoutError` where there is none in time."""
    if report is None:
        await asyncio.sleep(within_s)
        raise TimeoutError
    async with asyncio.timeout(within_s):
        return await asyncio.shield(report)
