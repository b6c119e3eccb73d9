"""How long a lease lasts, and how it is kept while the work goes on.

0 s                lease          invoke deadline     lock TTL            waiters' deadline
├── existence check, resize ─┴ renew … ─┤ (failure)   ┤ (no more renewal) ┤ DeadlineExceeded
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from prewmanager.flights.ports import Lease
from prewmanager.previews.outcome import Failure, Outcome
from prewmanager.tasks import end


@dataclass(frozen=True, slots=True)
class Timing:
    """The time limits of a flight, in seconds; `config.settings` checks that they fit together."""

    lease_s: float
    lock_ttl_s: float
    invoke_s: float
    wait_s: float
    first_poll_s: float = 0.05
    longest_poll_s: float = 1.0
    others_s: float = 0.2  # that another replica, notified of a released lease, has for acquiring it


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long results stay cached, in seconds: previews, and failures by kind.

    `unseen_s`: for how long the bucket may not show a preview that was just made, whose result lives so much longer.
    `unwritten_s`: in so many seconds a preview is written that was answered before, or never; its result lives as long.
    """

    made_s: float
    by_kind: dict[str, float]
    unseen_s: float = 0.0
    unwritten_s: float = 30.0

    @property
    def longest_s(self) -> float:
        """The longest of them."""
        return max(self.made_s + self.unseen_s, self.unwritten_s, *self.by_kind.values())

    def of(self, outcome: Outcome) -> float:
        """Seconds for which this outcome stays cached."""
        if isinstance(outcome, Failure):
            return self.by_kind[outcome.kind]
        return self.made_s + (0 if outcome.stored else self.unseen_s)


@contextlib.asynccontextmanager
async def kept(lease: Lease, timing: Timing) -> AsyncIterator[None]:
    """Renew the lease inside the block, until its lock TTL; release it where the block ends by an exception."""
    # A third leaves room for one lost renewal before the lease expires.
    renewal = _Renewal(lease, every_s=timing.lease_s / 3, for_s=timing.lock_ttl_s - timing.lease_s)
    try:
        try:
            yield
        finally:
            await renewal.close()
    except BaseException:
        await asyncio.shield(lease.release())
        raise


class _Renewal:
    """A timer, and a task for each renewal: most work ends before the first renewal, and then costs no task."""

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
        if self._task is not None:
            await end(self._task)
        self._timer.cancel()
