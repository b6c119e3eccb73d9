"""Buffered metrics: counted a quarter of a second later, since counting at once takes a tenth of an answer's time."""

from __future__ import annotations

import asyncio
from collections import Counter as Occurrences
from collections.abc import Callable
from functools import lru_cache

from prometheus_client import Counter, Histogram

_FLUSH_AFTER_S = 0.25  # by then, the waiters that completed together have their answers


class MetricsBuffer:
    """Buffers counts for a quarter of a second, or until the metrics are read."""

    def __init__(self, requests: Counter, seconds: Histogram) -> None:
        """`requests` has the labels preset, status and source."""
        # Looking up a labelled counter takes longer than counting.
        self._requests = lru_cache(maxsize=1024)(requests.labels)
        self._seconds = seconds
        self._answered: list[tuple[tuple[str, str, str], float]] = []
        self._counts: list[tuple[Callable[[float], None], float]] = []
        self._levels: dict[Callable[[float], None], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def answered(self, preset: str, status: str, source: str, seconds: float) -> None:
        """Count one request."""
        self._answered.append(((preset, status, source), seconds))
        self._flush_later()

    def count(self, increase: Callable[[float], None], amount: float = 1) -> None:
        """Call `increase`, a counter's `inc` or a histogram's `observe`, with this amount."""
        self._counts.append((increase, amount))
        self._flush_later()

    def level(self, assign: Callable[[float], None], level: float) -> None:
        """Call `assign`, a gauge's `set`, with the last level before the flush."""
        self._levels[assign] = level
        self._flush_later()

    def _flush_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_AFTER_S, self.flush)

    def flush(self) -> None:
        """Count everything that is buffered, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        answered, self._answered = self._answered, []
        counts, self._counts = self._counts, []
        levels, self._levels = self._levels, {}
        for labels, times in Occurrences(labels for labels, _ in answered).items():
            self._requests(*labels).inc(times)
        for _, seconds in answered:
            self._seconds.observe(seconds)
        for increase, amount in counts:
            increase(amount)
        for assign, level in levels.items():
            assign(level)
