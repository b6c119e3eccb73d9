"""What is counted, counted a quarter of a second later: of an answer, counting it at once would be a tenth."""

from __future__ import annotations

import asyncio
from collections import Counter as Occurrences
from collections.abc import Callable
from functools import lru_cache

from prometheus_client import Counter, Histogram

_LATER_S = 0.25  # by then, those who were woken together have their answers


class MetricsBuffer:
    """Keeps what is to be counted for a quarter of a second, or until it is read."""

    def __init__(self, requests: Counter, seconds: Histogram) -> None:
        """`requests` is labelled by preset, status and source."""
        # Looking a labelled counter up takes longer than counting.
        self._requests = lru_cache(maxsize=1024)(requests.labels)
        self._seconds = seconds
        self._answered: list[tuple[tuple[str, str, str], float]] = []
        self._noted: list[tuple[Callable[[float], None], float]] = []
        self._levels: dict[Callable[[float], None], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def answered(self, preset: str, status: str, source: str, seconds: float) -> None:
        """One request was answered."""
        self._answered.append(((preset, status, source), seconds))
        self._settle_later()

    def note(self, count: Callable[[float], None], amount: float = 1) -> None:
        """Have this called with the amount: a counter's `inc`, a histogram's `observe`."""
        self._noted.append((count, amount))
        self._settle_later()

    def level(self, tell: Callable[[float], None], level: float) -> None:
        """Have this, a gauge's `set`, called with what the level is by then."""
        self._levels[tell] = level
        self._settle_later()

    def _settle_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATER_S, self.flush)

    def flush(self) -> None:
        """Count now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        answered, self._answered = self._answered, []
        noted, self._noted = self._noted, []
        levels, self._levels = self._levels, {}
        for labels, times in Occurrences(labels for labels, _ in answered).items():
            self._requests(*labels).inc(times)
        for _, seconds in answered:
            self._seconds.observe(seconds)
        for count, amount in noted:
            count(amount)
        for tell, level in levels.items():
            tell(level)
