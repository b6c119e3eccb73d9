"""The rate of resizes in one process: the generic cell rate algorithm.

One number is kept: the time at which the quota would be whole again. Each resize moves it by 1 / rate; a resize is
allowed while that stays within `burst` steps from now.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class MemoryQuota:
    """A `Quota` for this process."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`per_second` in the long run, and at most `burst` at once."""
        self._step_s = 1 / per_second
        self._burst = burst
        self._clock = clock
        self._whole_at = -math.inf

    async def consume(self) -> float:
        """Use one resize and return 0, or return the seconds until there is one."""
        now = self._clock()
        whole_at = max(self._whole_at, now) + self._step_s
        wait_s = whole_at - self._burst * self._step_s - now
        if wait_s > 1e-9:  # noqa: PLR2004 -- a rounding error
            return wait_s
        self._whole_at = whole_at
        return 0.0
