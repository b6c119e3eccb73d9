"""The load on the resizer, from which `Retry-After` is computed."""

from __future__ import annotations

from collections.abc import Callable

_WEIGHT = 0.1  # of the newest duration in the moving average: a change shows after some ten resizes


class Load:
    """The resizes of one process: how many may run at once, how many run and queue, how long one takes."""

    def __init__(
        self, at_once: int, *, typical_s: float = 0.5, on_change: Callable[[int, int], None] | None = None
    ) -> None:
        """`typical_s` is assumed until a resize was measured; `on_change` gets the numbers that run and queue."""
        self.at_once = at_once
        self.typical_s = typical_s
        self.running = 0
        self.queued = 0
        self._on_change = on_change

    def change(self, *, running: int = 0, queued: int = 0) -> None:
        """Add to the numbers that run and queue."""
        self.running += running
        self.queued += queued
        if self._on_change is not None:
            self._on_change(self.running, self.queued)

    def finished(self, seconds: float) -> None:
        """Include one resize's duration in the average."""
        self.typical_s += _WEIGHT * (seconds - self.typical_s)

    def drain_s(self, ahead: int) -> float:
        """Seconds until a resize that queues behind `ahead` others would be finished."""
        rounds = ahead // self.at_once + 1
        return rounds * self.typical_s
