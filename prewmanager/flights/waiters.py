"""Those of one process who wait for the same flight, each until it is known or their time is over."""

from __future__ import annotations

import asyncio

from prewmanager.errors import DeadlineExceeded, PreviewFailed
from prewmanager.flights.ports import FlightResult


class Waiters:
    """Each has a future of its own, so that one who leaves takes nothing from the others."""

    def __init__(self, wait_s: float) -> None:
        """`wait_s`: seconds that each of them waits."""
        self._wait_s = wait_s
        self._known: FlightResult | None = None
        # In the order of their deadlines, since all of them wait for as long: one timer does for them all.
        self._waiters: dict[asyncio.Future[FlightResult], float] = {}
        self._deadline: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiters)

    async def wait(self) -> FlightResult:
        """What is told, now or later. Raises `DeadlineExceeded` when that takes too long, and what `dissolve` was given."""
        if self._known is not None:
            return self._known
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[FlightResult] = loop.create_future()
        self._waiters[waiter] = loop.time() + self._wait_s
        if self._deadline is None:
            self._deadline = loop.call_later(self._wait_s, self._expire, loop)
        try:
            return await waiter
        finally:
            self._waiters.pop(waiter, None)

    def tell(self, result: FlightResult) -> None:
        """Give this to all who wait, and to whoever asks from now on."""
        self._known = result
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(result)
        self._wait_no_more()

    def fail(self, error: PreviewFailed) -> None:
        """Have those who still wait raise `error`."""
        for waiter in self._waiters:
            _fail(waiter, error)
        self._wait_no_more()

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send those away who have waited long enough, and come back for the next one."""
        self._deadline = None
        for waiter, deadline in list(self._waiters.items()):
            if deadline > loop.time():
                self._deadline = loop.call_at(deadline, self._expire, loop)
                return
            _fail(waiter, DeadlineExceeded("waited for the flight until the deadline"))

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


def _fail(waiter: asyncio.Future[FlightResult], error: PreviewFailed) -> None:
    if not waiter.done():
        waiter.set_exception(error)
