"""What can be wrapped around any resizer: a bound on what runs at once, patience with throttling, a ration.

The order in which `app` puts them: ration( patience( bound( Lambda or worker processes ))).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from prewmanager.errors import Overloaded
from prewmanager.flights.ports import Made, Quota, Resizer, Siblings
from prewmanager.previews.catalogue import Preview
from prewmanager.resizing.load import Load

Sleep = Callable[[float], Awaitable[None]]


class ConcurrencyLimitedResizer:
    """Lets so many resizes run at once; the next wait, unless their turn would come too late."""

    def __init__(self, inner: Resizer, load: Load, *, max_wait_s: float) -> None:
        """`longest_wait_s`: a resize that would wait longer for its turn is refused at once."""
        self._inner = inner
        self._load = load
        self._max_wait_s = max_wait_s
        self._slot = asyncio.Semaphore(load.at_once)

    async def resize(self, preview: Preview, also: Siblings | None = None) -> Made:
        """Resize when it is its turn. Raises `Overloaded` where that would be too late."""
        wait_s = self._load.drain_s(self._load.queued) if self._slot.locked() else 0.0
        if wait_s > self._max_wait_s:
            raise Overloaded(f"{self._load.queued} resizes wait already", wait_s)
        self._load.change(queued=1)
        try:
            await self._slot.acquire()
        finally:
            self._load.change(queued=-1)
        self._load.change(running=1)
        started = time.perf_counter()
        try:
            return await self._inner.resize(preview, also)
        finally:
            self._load.finished(time.perf_counter() - started)
            self._load.change(running=-1)
            self._slot.release()


class RetryingResizer:
    """Tries again when it is throttled, since then the function did not run; any other failure is final."""

    def __init__(self, inner: Resizer, *, within_s: float, sleep: Sleep = asyncio.sleep) -> None:
        """`within_s`: no further try begins later than this after the first."""
        self._inner = inner
        self._within_s = within_s
        self._sleep = sleep

    async def resize(self, preview: Preview, also: Siblings | None = None) -> Made:
        """Resize, at the latest try within the time. Raises what the last try raised."""
        left_s, backoff_s = self._within_s, 0.1
        while True:
            try:
                return await self._inner.resize(preview, also)
            except Overloaded as error:
                # Later than it was told, never earlier, so that those told the same do not come back together.
                pause_s = max(error.retry_after_s or 0.0, backoff_s) * random.uniform(1.0, 1.5)  # noqa: S311 -- no secret
                if pause_s > left_s:
                    raise
            await self._sleep(pause_s)
            left_s, backoff_s = left_s - pause_s, backoff_s * 2


class RateLimitedResizer:
    """Resizes as often as the quota allows, over all replicas, so that made-up names cannot run up a bill."""

    def __init__(self, inner: Resizer, quota: Quota) -> None:
        self._inner = inner
        self._quota = quota

    async def resize(self, preview: Preview, also: Siblings | None = None) -> Made:
        """Resize where there is quota for it. Raises `Overloaded` with the time until there is."""
        wait_s = await self._quota.consume()
        if wait_s > 0:
            raise Overloaded("the ration of resizes is used up", wait_s)
        return await self._inner.resize(preview, also)
