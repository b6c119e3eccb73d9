"""What one process knows of photos, in a dictionary."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from prewmanager.previews.outcome import Failure
from prewmanager.resizing.photo_faults import SLOW_KIND, FaultTimes, back_off_s, slow

_MAX_PHOTOS = 10_000


@dataclass(frozen=True, slots=True)
class _Known:
    expires: float
    failure: Failure | None = None
    timeouts: int = 0
    last_timeout: float = 0.0
    slow_until: float = 0.0


class MemoryPhotoFaults:
    """A `PhotoFaults` inside this process."""

    def __init__(self, times: FaultTimes, clock: Callable[[], float] = time.monotonic) -> None:
        self._times = times
        self._clock = clock
        self._photos: OrderedDict[str, _Known] = OrderedDict()

    async def known(self, photo_key: str) -> Failure | None:
        """Return the photo's fault."""
        known = self._get(photo_key)
        if known is not None and known.timeouts > 1 and known.slow_until > self._clock():
            return slow(known.slow_until - self._clock())
        return known.failure if known else None

    async def record(self, photo_key: str, kind: str, seconds: float = 0.0) -> bool:
        """Record a fault, unless the photo has changed."""
        known, now = self._get(photo_key), self._clock()
        if known is not None and known.failure is None and not known.timeouts:
            return False
        if kind == SLOW_KIND:
            self._put(photo_key, self._slower(known, now, seconds))
        elif kind in self._times.by_kind:
            self._put(photo_key, _Known(now + self._times.by_kind[kind], Failure(kind, "known to be so")))
        return True

    async def changed(self, photo_key: str) -> None:
        """Delete the photo's fault, and have none recorded by what runs now."""
        self._put(photo_key, _Known(self._clock() + self._times.changed_s))

    def _slower(self, known: _Known | None, now: float, seconds: float) -> _Known:
        timeouts = known.timeouts if known else 0
        # Renderings at the same time are one occasion: this process, or its host, may have been busy.
        if known is not None and timeouts and now - seconds < known.last_timeout:
            return known
        back_off = back_off_s(timeouts + 1)
        expires = now + back_off + self._times.while_s
        return _Known(expires, timeouts=timeouts + 1, last_timeout=now, slow_until=now + back_off)

    def _get(self, photo_key: str) -> _Known | None:
        known = self._photos.get(photo_key)
        return known if known is not None and known.expires > self._clock() else None

    def _put(self, photo_key: str, known: _Known) -> None:
        self._photos[photo_key] = known
        self._photos.move_to_end(photo_key)
        while len(self._photos) > _MAX_PHOTOS:
            self._photos.popitem(last=False)
