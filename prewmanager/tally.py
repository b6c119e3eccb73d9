"""Requests, counted after they are answered: of what answering a waiter takes, counting it at once would be a tenth."""

from __future__ import annotations

import asyncio
from collections import Counter as Occurrences
from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

_LATER_S = 0.25  # by then, those who were woken together have their answers


class Tally:
    """Keeps what is to be counted for a quarter of a second, or until it is read."""

    def __init__(self, requests: Counter, seconds: Histogram, waiting: Gauge) -> None:
        """`requests` is labelled by preset, status and source."""
        # Looking a labelled counter up takes longer than counting.
        self._requests = lru_cache(maxsize=1024)(requests.labels)
        self._seconds = seconds
        self._gauge = waiting
        self._waiting = 0
        self._answered: list[tuple[tuple[str, str, str], float]] = []
        self._timer: asyncio.TimerHandle | None = None

    def waiting(self, change: int) -> None:
        """One request more, or less, waits."""
        self._waiting += change
        self._settle_later()

    def answered(self, preset: str, status: str, source: str, seconds: float) -> None:
        """One request was answered."""
        self._answered.append(((preset, status, source), seconds))
        self._settle_later()

    def _settle_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATER_S, self.settle)

    def settle(self) -> None:
        """Count now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        answered, self._answered = self._answered, []
        for labels, times in Occurrences(labels for labels, _ in answered).items():
            self._requests(*labels).inc(times)
        for _, seconds in answered:
            self._seconds.observe(seconds)
        self._gauge.set(self._waiting)
