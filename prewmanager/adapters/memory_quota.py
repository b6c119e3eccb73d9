"""The quota of resizes of one process, by the generic cell rate algorithm.

Its state is one number, the time at which the whole quota is available again. Each resize moves that time by 1 / rate;
a resize is allowed if the time then is at most `burst` steps from now.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class MemoryQuota:
    """A `Quota` for this process."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow `per_second` resizes on average, and at most `burst` at once."""
        self._step_s = 1 / per_second
        self._burst = burst
        self._clock = clock
        self._whole_at = -math.inf

    async def consume(self) -> float:
        """Use one resize of the quota and return 0, or return the seconds until one is available."""
        now = self._clock()
        whole_at = max(self._whole_at, now) + self._step_s
        wait_s = whole_at - self._burst * self._step_s - now
        if wait_s > 1e-9:  # noqa: PLR2004 -- a rounding error
            return wait_s
        self._whole_at = whole_at
        return 0.0
