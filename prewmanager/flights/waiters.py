"""Requests of this process waiting for one flight, until it completes or they time out."""

from __future__ import annotations

import asyncio

from prewmanager.errors import DeadlineExceeded
from prewmanager.flights.result import FlightResult


class Waiters:
    """Each waiter has a future of its own, so that one that leaves takes nothing from the others."""

    def __init__(self, wait_s: float) -> None:
        """`wait_s`: seconds that each waiter waits."""
        self._wait_s = wait_s
        self._result: FlightResult | None = None
        # In the order of their deadlines, since all wait for the same time: one timer serves them all.
        self._waiters: dict[asyncio.Future[FlightResult], float] = {}
        self._deadline: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiters)

    @property
    def published(self) -> bool:
        """Whether the result is known."""
        return self._result is not None

    async def wait(self) -> FlightResult:
        """Return the result, now or later. Raises `DeadlineExceeded` after `wait_s`."""
        if self._result is not None:
            return self._result
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[FlightResult] = loop.create_future()
        self._waiters[waiter] = loop.time() + self._wait_s
        if self._deadline is None:
            self._deadline = loop.call_later(self._wait_s, self._expire, loop)
        try:
            return await waiter
        finally:
            self._waiters.pop(waiter, None)

    def publish(self, result: FlightResult) -> None:
        """Give the result to every waiter, and to every later one."""
        self._result = result
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(result)
        self._cancel_deadline()

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Time out the waiters whose deadline has passed, and set the timer for the next one."""
        self._deadline = None
        for waiter, deadline in list(self._waiters.items()):
            if deadline > loop.time():
                self._deadline = loop.call_at(deadline, self._expire, loop)
                return
            if not waiter.done():
                waiter.set_exception(DeadlineExceeded("waited for the flight until the deadline"))

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
