"""Whether this process can render, as its last flights found: nginx leaves out a replica that cannot."""

from __future__ import annotations

import time
from collections.abc import Callable

_LEFT_OUT_S = 5.0  # then it may try again: only a flight shows whether the fault is gone


class Ability:
    """Not able for five seconds after a fault of this process's own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._unable_until = 0.0

    def failed(self) -> None:
        """Note a fault of this process's own."""
        self._unable_until = self._clock() + _LEFT_OUT_S

    def __bool__(self) -> bool:
        return self._clock() >= self._unable_until
