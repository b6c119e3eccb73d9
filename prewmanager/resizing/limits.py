"""Wrappers around any resizer: concurrency-limited, retrying, rate-limited.

`app` nests them as rate-limited( retrying( concurrency-limited( Lambda or worker processes ))): the rate counts
previews, not attempts, and no pause between attempts occupies a slot.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from prewmanager.errors import Overloaded, PhotoFatal, QuotaExceeded
from prewmanager.request_context import client_network
from prewmanager.resizing.load import Load
from prewmanager.resizing.ports import Quota, Resizer
from prewmanager.resizing.render import RenderJob, RenderResult

Sleep = Callable[[float], Awaitable[None]]


class ConcurrencyLimitedResizer:
    """Runs a bounded number of resizes at once; the others queue, unless their slot would come too late."""

    def __init__(self, inner: Resizer, load: Load, *, max_wait_s: float) -> None:
        """`max_wait_s`: a resize that would queue for longer is refused at once."""
        self._inner = inner
        self._load = load
        self._max_wait_s = max_wait_s
        self._slots = asyncio.Semaphore(load.at_once)

    async def resize(self, job: RenderJob) -> RenderResult:
        """Resize as soon as a slot is free. Raises `Overloaded` where that would be too late."""
        wait_s = self._load.drain_s(self._load.queued) if self._slots.locked() else 0.0
        if wait_s > self._max_wait_s:
            raise Overloaded(f"{self._load.queued} resizes are queued already", wait_s)
        self._load.change(queued=1)
        try:
            await self._slots.acquire()
        finally:
            self._load.change(queued=-1)
        self._load.change(running=1)
        started = time.perf_counter()
        try:
            return await self._inner.resize(job)
        finally:
            self._load.finished(time.perf_counter() - started)
            self._load.change(running=-1)
            self._slots.release()


class RetryingResizer:
    """Retries when it is throttled, since the function did not run then, and once after a crash.

    A process can be killed for reasons of its host; only the second crash is the photo's. Any other failure is final.
    """

    def __init__(self, inner: Resizer, *, within_s: float, sleep: Sleep = asyncio.sleep) -> None:
        """`within_s`: no retry begins later than this after the first attempt."""
        self._inner = inner
        self._within_s = within_s
        self._sleep = sleep

    async def resize(self, job: RenderJob) -> RenderResult:
        """Resize. Raises what the last attempt raised."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._within_s
        try:
            return await self._patiently(job)
        except PhotoFatal:
            if loop.time() > ends:
                raise
        return await self._patiently(job)

    async def _patiently(self, job: RenderJob) -> RenderResult:
        left_s, backoff_s = self._within_s, 0.1
        while True:
            try:
                return await self._inner.resize(job)
            except Overloaded as error:
                # Later than the server asked, never earlier; jitter spreads those that were throttled together.
                pause_s = max(error.retry_after_s or 0.0, backoff_s) * random.uniform(1.0, 1.5)  # noqa: S311 -- no secret
                if pause_s > left_s:
                    raise
            await self._sleep(pause_s)
            left_s, backoff_s = left_s - pause_s, backoff_s * 2


class RateLimitedResizer:
    """Resizes at the quota's rate, over all replicas; the client whose request started a flight uses its share."""

    def __init__(self, inner: Resizer, quota: Quota) -> None:
        self._inner = inner
        self._quota = quota

    async def resize(self, job: RenderJob) -> RenderResult:
        """Resize where the quota allows it. Raises `QuotaExceeded` with the seconds until it does."""
        wait_s = await self._quota.consume(client_network())
        if wait_s > 0:
            raise QuotaExceeded("the quota of resizes, or this client's share, is used up", wait_s)
        return await self._inner.resize(job)
