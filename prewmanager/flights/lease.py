"""Keeps a lease while work goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from prewmanager.flights.ports import Lease
from prewmanager.tasks import end


class _Renewal:
    """A timer, and a task for each renewal: most work ends before the first one, and then costs no task."""

    def __init__(self, lease: Lease, every_s: float, for_s: float) -> None:
        self._lease = lease
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + for_s
        self._task: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(every_s, self._due)

    def _due(self) -> None:
        if self._loop.time() < self._ends:
            self._task = self._loop.create_task(self._renew(), name="lease renewal")

    async def _renew(self) -> None:
        if await self._lease.renew():
            self._timer = self._loop.call_later(self._every_s, self._due)

    async def close(self) -> None:
        """Renew no more."""
        if self._task is not None:
            await end(self._task)
        self._timer.cancel()


@contextlib.asynccontextmanager
async def renewed(lease: Lease, *, every_s: float, for_s: float) -> AsyncIterator[None]:
    """Renew the lease inside the block, every so many seconds, and no more once `for_s` seconds have gone by."""
    renewal = _Renewal(lease, every_s, for_s)
    try:
        yield
    finally:
        await renewal.close()
