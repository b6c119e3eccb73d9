"""One who looks on: reports wait for it in a queue of bounded length."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

CAPACITY = 64  # reports, some ten seconds of two busy replicas


@dataclass(frozen=True, slots=True)
class Delivery:
    """The next report, and how many before it were lost because the viewer was too slow."""

    report: str
    lost: int


class Viewer:
    """Gets reports in their order; a slow one loses the oldest, since memory is dearer than a picture of the past."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._reports: deque[str] = deque(maxlen=capacity)
        self._changed = asyncio.Event()
        self._lost = 0
        self._closed = False

    def give(self, report: str) -> None:
        """Add a report; never waits."""
        if len(self._reports) == self._reports.maxlen:
            self._lost += 1
        self._reports.append(report)
        self._changed.set()

    def close(self) -> None:
        """There will be no more; what was not taken yet is dropped."""
        self._closed = True
        self._changed.set()

    async def next(self) -> Delivery | None:
        """The oldest report that was not taken yet, as soon as there is one; None after `close`."""
        await self._changed.wait()
        if self._closed:
            return None
        report = self._reports.popleft()
        if not self._reports:
            self._changed.clear()
        lost, self._lost = self._lost, 0
        return Delivery(report, lost)
