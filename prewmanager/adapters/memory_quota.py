"""The quota of resizes of one process, and each client's share of it.

The generic cell rate algorithm: its state is one number, the time at which the whole quota is available again. Each
resize moves that time by 1 / rate; a resize is allowed if the time then is at most `burst` steps from now.

Each client has such a number, too, which moves by as many steps as there are clients: what it has used decays at its
share of the rate. A client gets one if what it has used is less than three times what is left, the dynamic threshold
of Choudhury and Hahne ("Dynamic queue length thresholds for shared-memory packet switches", 1998). So one that asks for
all gets the whole rate while it is alone, and leaves a quarter of the burst for those who come.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 3  # a client may have used so many times what is left
MAX_CLIENTS = 1000  # further ones share one place
_ROUNDING = 1e-9


class MemoryQuota:
    """A `Quota` for this process."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow `per_second` resizes on average, and at most `burst` at once."""
        self._step_s = 1 / per_second
        self._burst = burst
        self._clock = clock
        self._whole_at = 0.0
        # When what a client has used is decayed, by client.
        self._decayed_at: dict[str, float] = {}

    async def consume(self, client: str) -> float:
        """Use one resize of the quota and return 0, or return the seconds until one is available."""
        now = self._clock()
        whole_at = max(self._whole_at, now)
        left = self._burst - (whole_at - now) / self._step_s
        wait_s = (1 - left) * self._step_s
        if client:
            client = self._place(client, now)
            share_s = self._step_s * len(self._decayed_at)
            decayed_at = max(self._decayed_at[client], now)
            used = (decayed_at - now) / share_s
            if used:
                beyond = used + 1 - SHARE * left
                wait_s = max(wait_s, beyond / (1 / share_s + SHARE / self._step_s))
            if wait_s <= _ROUNDING:
                self._decayed_at[client] = decayed_at + share_s
        if wait_s > _ROUNDING:
            return wait_s
        self._whole_at = whole_at + self._step_s
        return 0.0

    async def is_whole(self) -> bool:
        """Whether nothing of the quota is in use."""
        return self._whole_at <= self._clock()

    def _place(self, client: str, now: float) -> str:
        """Return the client's name among those that have asked lately, or that of all others."""
        if client not in self._decayed_at:
            self._decayed_at = {name: at for name, at in self._decayed_at.items() if at > now}
        place = client if client in self._decayed_at or len(self._decayed_at) < MAX_CLIENTS else "others"
        self._decayed_at.setdefault(place, now)
        return place
