"""Supervised programs: restarted where that loses no state; otherwise their end stops the whole system."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from devstack.programs import Program, ProgramError

RESTARTS = 5
WITHIN_S = 60.0
_TAIL_LINES = 8


@dataclass
class Watched:
    """A program and how to restart it; without `restart`, its end stops the local system."""

    program: Program
    restart: Callable[[], Program] | None = None
    _restarts: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS))

    def check(self, now: float | None = None) -> str | None:
        """Return None while it is alive; otherwise restart it and return a message.

        Raises `ProgramError` if it has no `restart`, or was restarted `RESTARTS` times within `WITHIN_S` seconds.
        """
        if self.program.alive:
            return None
        ended = f"{self.program.name} ended with {self.program.process.returncode}"
        ending = f"{ended}; the end of {self.program.log}:\n{self.program.tail(_TAIL_LINES)}"
        now = time.monotonic() if now is None else now
        too_often = len(self._restarts) == RESTARTS and now - self._restarts[0] < WITHIN_S
        if self.restart is None or too_often:
            raise ProgramError(ending)
        self._restarts.append(now)
        self.program.kill()  # children that outlive it
        self.program = self.restart()
        return f"{ending}\n{self.program.name} was started again"

    def stop(self) -> None:
        """End the current program."""
        self.program.stop()
