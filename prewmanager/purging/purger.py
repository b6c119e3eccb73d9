"""Tells all caches what to forget: many changes in one request, again where that fails, nginx before who asks it.

purge ──▶ waits a moment for others ──▶ nginx, each of them ──▶ the CDNs, at the same time
                                            └ fails: again, twice ─▶ CacheUnavailable, and the metric
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from prewmanager.errors import CacheUnavailable
from prewmanager.purging.copies import Copies, together
from prewmanager.purging.ports import Cache, PurgeObserver
from prewmanager.tasks import end

GATHER_S = 0.1  # for what changes at the same time, such as a folder of uploads
TRY_S = 3.0  # longest time of one attempt
PAUSES_S = (0.2, 1.0)  # before the second attempt and the third
LATER_PAUSES_S = (5.0, 15.0, 60.0, 180.0)  # where nobody else would try again

Sleep = Callable[[float], Awaitable[None]]


class _Batch:
    """Changes that are purged together."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.copies: list[Copies] = []


class Purger:
    """The caches in front of one site."""

    def __init__(
        self,
        caches: Sequence[Cache],
        observer: PurgeObserver,
        *,
        gather_s: float = GATHER_S,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._caches = caches
        self._observer = observer
        self._gather_s = gather_s
        self._sleep = sleep
        self._open: dict[bool, _Batch] = {}
        self._batches: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def has_caches(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._caches)

    async def purge(self, copies: Copies, *, billed: bool = True) -> None:
        """Have all caches forget these; without `billed` only those where that costs nothing.

        It goes on if the caller is cancelled. Raises `CacheUnavailable` if a cache could not be told, after all others.
        """
        if not self._caches:
            return
        batch = self._open.get(billed)
        if batch is None:
            batch = self._open[billed] = _Batch()
            batch.task = self._start(self._run(batch, billed=billed), "purge", self._batches)
        batch.copies.append(copies)
        await asyncio.shield(batch.task)

    def later(self, copies: Copies, after_s: float = 0.0, *, billed: bool = True) -> None:
        """Have them forgotten so many seconds later, where nobody waits: it is tried again for some minutes."""
        if self._caches:
            self._start(self._repeatedly(copies, after_s, billed=billed), "later purge", self._tasks)

    async def close(self, grace_s: float) -> None:
        """Tell what is being told, within so many seconds; what is later is left."""
        if self._batches:
            await asyncio.wait(self._batches, timeout=grace_s)
        await end(*self._tasks, *self._batches)

    def _start(self, work: Coroutine[Any, Any, None], name: str, tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(partial(_ended, tasks))
        return task

    async def _repeatedly(self, copies: Copies, after_s: float, *, billed: bool) -> None:
        for pause_s in (after_s, *LATER_PAUSES_S):
            await self._sleep(pause_s)
            try:
                await self.purge(copies, billed=billed)
            except CacheUnavailable:
                continue  # counted and logged
            return

    async def _run(self, batch: _Batch, *, billed: bool) -> None:
        await self._sleep(self._gather_s)
        del self._open[billed]
        copies, errors = together(batch.copies), list[str]()
        caches = [each for each in self._caches if billed or not each.is_billed]
        for group in ([each for each in caches if each.is_behind], [each for each in caches if not each.is_behind]):
            outcomes = await asyncio.gather(*(self._purge_one(each, copies) for each in group))
            errors += [error for error in outcomes if error is not None]
        if errors:
            raise CacheUnavailable("; ".join(errors))

    async def _purge_one(self, cache: Cache, copies: Copies) -> str | None:
        """Tell one cache, and return why it could not be told, or None."""
        error: str | None = None
        for pause_s in (0.0, *PAUSES_S):
            if pause_s:
                await self._sleep(pause_s)
            try:
                async with asyncio.timeout(TRY_S):
                    await cache.purge(copies)
            except TimeoutError:
                error = f"{cache.name}: no answer within {TRY_S:g} s"
            except CacheUnavailable as failed:
                error = str(failed)
            else:
                error = None
                break
        self._observer.purged(cache.name, copies, error)
        return error


def _ended(tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
    tasks.discard(task)
    if not task.cancelled():
        task.exception()  # who waits raises it; if all have gone, nobody retrieves it
