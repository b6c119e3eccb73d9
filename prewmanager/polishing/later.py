"""Notes which previews somebody waited for, so that they are polished later, and lets caches keep them until then."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Protocol

from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import FlightObserver
from prewmanager.flights.result import Answer, FlightResult
from prewmanager.polishing.fates import Fate
from prewmanager.polishing.ports import PolishObserver, PolishQueue, Waiting
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.layout import Layout
from prewmanager.previews.outcome import Made, Source
from prewmanager.tasks import end

_RENDERED = {Source.MADE, Source.COMPANION}
_FROM_FLIGHTS = {Source.MADE, Source.JOINED}
_MOST_AT_ONCE = 1000  # commands to Redis: some kilobytes each while it is slow
_MAX_AGE = re.compile(r"(?<![\w-])(max-age|s-maxage)=(\d+)", re.IGNORECASE)
_IMMUTABLE = re.compile(r"\s*,\s*immutable\b|^immutable\s*(,\s*)?", re.IGNORECASE)


class _Provider(Protocol):
    async def preview(self, preview: Preview) -> Answer: ...


def gains(preview: Preview) -> bool:
    """Whether more effort changes how a preview is rendered: not where its preset has the most."""
    return preview.preset.spec_at("small") != preview.preset.spec


class PolishLater:
    """A `FlightObserver` that passes everything on to another one, and adds what was rendered to the queue."""

    def __init__(
        self, observer: FlightObserver, queue: PolishQueue, reports: PolishObserver, *, layout: Layout
    ) -> None:
        """`reports` gets what cannot be added."""
        self._observer = observer
        self._queue = queue
        self.reports = reports
        self._layout = layout
        self._adding: set[asyncio.Task[None]] = set()
        # Hot path: each request calls this method, so it is the observer's own.
        self.waiting = observer.waiting
        self.took_over, self.write_lost = observer.took_over, observer.write_lost
        self.crashed, self.refused = observer.crashed, observer.refused

    def completed(self, preview: Preview, result: FlightResult, *, waiters: int, seconds: float) -> None:
        """Add a preview that this process had rendered; nobody waits for that."""
        self._observer.completed(preview, result, waiters=waiters, seconds=seconds)
        if result.source in _RENDERED and isinstance(result.outcome, Made) and gains(preview):
            if len(self._adding) >= _MOST_AT_ONCE:
                self.reports.ended(preview.preview_key, Fate.UNREACHABLE)
                return
            task = asyncio.create_task(self._add(preview), name=f"polish {preview.preview_key} later")
            self._adding.add(task)
            task.add_done_callback(self._adding.discard)

    async def close(self) -> None:
        """End what Redis has not been told yet."""
        await asyncio.gather(*map(end, list(self._adding)))

    async def _add(self, preview: Preview) -> None:
        photo = self._layout.name_of(preview.photo_key)
        try:
            added = await self._queue.add(Waiting(preview.preset_name, preview.preset.fingerprint, photo))
        except FlightStoreUnavailable:
            self.reports.ended(preview.preview_key, Fate.UNREACHABLE)
            return
        if not added:
            self.reports.ended(preview.preview_key, Fate.FULL)


class KeptBriefly:
    """A provider whose answers caches ask for again after a while: what they get then is polished.

    Only the answers of a preview's flight are so; S3 has the preview with the settings' header.
    """

    def __init__(self, provider: _Provider, *, most_s: int) -> None:
        self._provider = provider
        self._most_s = most_s

    async def preview(self, preview: Preview) -> Answer:
        """Return the preview. Raises what the provider raises."""
        answer = await self._provider.preview(preview)
        if answer.source not in _FROM_FLIGHTS or not answer.made.cache_control or not gains(preview):
            return answer
        header = shortened(answer.made.cache_control, self._most_s)
        return replace(answer, made=replace(answer.made, cache_control=header))


def shortened(cache_control: str, most_s: int) -> str:
    """Return the header with lives of at most so many seconds, and without `immutable`."""

    def lower(found: re.Match[str]) -> str:
        return f"{found[1]}={min(int(found[2]), most_s)}"

    return _MAX_AGE.sub(lower, _IMMUTABLE.sub("", cache_control))
