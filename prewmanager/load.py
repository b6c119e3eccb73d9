"""How busy the resizing is, and so when it makes sense to come back: what `Retry-After` is computed from."""

from __future__ import annotations

from dataclasses import dataclass

_WEIGHT = 0.1  # of the newest duration in the average: a change shows after some ten resizes


@dataclass(slots=True)
class Load:
    """The resizes of one process: how many may run, run, and wait, and how long one takes (seconds)."""

    at_once: int
    running: int = 0
    queued: int = 0
    typical_s: float = 0.5

    def finished(self, seconds: float) -> None:
        """Learn from one resize."""
        self.typical_s += _WEIGHT * (seconds - self.typical_s)

    def drain_s(self, ahead: int) -> float:
        """Seconds until a resize that comes after `ahead` others would be done."""
        rounds = ahead // self.at_once + 1
        return rounds * self.typical_s
