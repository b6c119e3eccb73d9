"""One viewer of the page, with a bounded queue of reports."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

CAPACITY = 64  # reports: about eight seconds of two active replicas


@dataclass(frozen=True, slots=True)
class Delivery:
    """The next report, and the number of reports before it that a slow viewer has lost."""

    report: str
    lost: int


class Viewer:
    """Receives reports in order; a slow viewer loses the oldest, which bounds its memory."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._reports: deque[str] = deque(maxlen=capacity)
        self._changed = asyncio.Event()
        self._lost = 0
        self._closed = False

    def add(self, report: str) -> None:
        """Queue a report; never waits."""
        if len(self._reports) == self._reports.maxlen:
            self._lost += 1
        self._reports.append(report)
        self._changed.set()

    def close(self) -> None:
        """End the stream; queued reports are dropped."""
        self._closed = True
        self._changed.set()

    async def next(self) -> Delivery | None:
        """Wait for a report and return the oldest; None after `close`."""
        await self._changed.wait()
        if self._closed:
            return None
        report = self._reports.popleft()
        if not self._reports:
            self._changed.clear()
        lost, self._lost = self._lost, 0
        return Delivery(report, lost)
