"""The fallback preview: the most similar stored preview of the photo, while the requested one is not there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from prewmanager.errors import StorageFailed, Transient
from prewmanager.flights.coalescer import Coalescer
from prewmanager.flights.result import Answer
from prewmanager.previews.catalogue import Catalogue, Preview
from prewmanager.previews.outcome import Made, Source
from prewmanager.previews.ports import PreviewStore
from prewmanager_presets import Preset

MAX_LOOKUPS = 6  # requests to S3, at the same time, for one flight
LOOKUPS_TIMEOUT_S = 2.0  # for all of them together: nobody shall wait longer for a failure than that
# Until the requested one is stored: a page that is loaded again gets it, and a CDN asks again soon.
FALLBACK_CACHE_CONTROL = "public, max-age=5"
# What every browser shows, or got from a preset that keeps the photo's format.
_FOR_ALL = frozenset({"keep", "jpeg", "png"})


class FallbackPreviews:
    """A `PreviewProvider` around the coalescer.

    Once a flight takes longer than `after_s`, or ends with a failure that says nothing about the photo, its requests
    get the fallback preview, where there is one. Each flight looks for it once.
    """

    def __init__(self, coalescer: Coalescer, finder: FallbackFinder, *, after_s: float) -> None:
        """`after_s`: seconds from the start of a flight."""
        self._coalescer = coalescer
        self._finder = finder
        self._after_s = after_s
        self._searches: dict[asyncio.Task[None], _Search] = {}

    async def preview(self, preview: Preview) -> Answer:
        """Return the preview, or the fallback preview. Raises what the coalescer raises."""
        flight, joined = self._coalescer.join(preview)
        search = self._searches.get(flight.task) or self._start(preview, flight.task)
        requested = asyncio.ensure_future(flight.answer(joined=joined))
        try:
            await asyncio.wait((requested, search.found), return_when=asyncio.FIRST_COMPLETED)
            if not requested.done() and (fallback := search.found.result()) is not None:
                return fallback
            return await requested
        except Transient:
            fallback = await search.result()
            if fallback is None:
                raise
            return fallback
        finally:
            requested.cancel()

    def _start(self, preview: Preview, flight: asyncio.Task[None]) -> _Search:
        search = self._searches[flight] = _Search(lambda: self._finder.find(preview))
        timer = asyncio.get_running_loop().call_later(self._after_s, search.start)

        def close(flight: asyncio.Task[None]) -> None:
            timer.cancel()
            del self._searches[flight]

        flight.add_done_callback(close)
        return search


class _Search:
    """One search for a fallback preview, shared by the waiters of one flight."""

    def __init__(self, find: Callable[[], Awaitable[Answer | None]]) -> None:
        self.found: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._find = find
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Search now, unless that has started."""
        self._task = self._task or asyncio.create_task(self._run(), name="fallback preview")

    async def result(self) -> Answer | None:
        """Return what is found, searching now where that has not started."""
        self.start()
        return await asyncio.shield(self.found)

    async def _run(self) -> None:
        found = None
        try:
            found = await self._find()
        finally:
            self.found.set_result(found)


class FallbackFinder:
    """Finds the fallback preview among those that are stored."""

    def __init__(self, catalogue: Catalogue, store: PreviewStore) -> None:
        self._catalogue = catalogue
        self._store = store

    async def find(self, preview: Preview) -> Answer | None:
        """Return the most similar stored preview, to be cached briefly, or None. Never raises.

        A preview that is too large to keep in memory is passed over.
        """
        started = time.perf_counter()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOKUPS_TIMEOUT_S):
                stored = await asyncio.gather(*map(self._stored, self.candidates(preview)[:MAX_LOOKUPS]))
            for made in stored:
                if made is not None:
                    spent_ms = (time.perf_counter() - started) * 1000
                    brief = replace(made, cache_control=FALLBACK_CACHE_CONTROL)
                    return Answer(brief, Source.FALLBACK, (("s3", spent_ms),))
        return None

    async def _stored(self, candidate: Preview) -> Made | None:
        try:
            made = await self._store.find(candidate.preview_key)
        except StorageFailed:
            return None
        return made if made is not None and made.body is not None else None

    def candidates(self, preview: Preview) -> list[Preview]:
        """List the photo's other previews that the client can show, the most similar first.

        Similar is first the width, then the height; of two that are equally similar the larger one comes first, since
        browsers scale down better than up.
        """
        wanted = preview.preset
        similar = sorted(
            (_distance(wanted, preset), name)
            for name, preset in self._catalogue.presets.items()
            if name != preview.preset_name and preset.format in _FOR_ALL | {wanted.format}
        )
        return [other for _, name in similar if (other := self._catalogue.other(preview, name))]


def _distance(wanted: Preset, other: Preset) -> tuple[int, int, bool]:
    """Difference in width and in height, in pixels, and whether the other one is smaller."""
    width, height = _box(wanted)
    other_width, other_height = _box(other)
    return abs(width - other_width), abs(height - other_height), (other_width, other_height) < (width, height)


def _box(preset: Preset) -> tuple[int, int]:
    """Width and height in pixels; a side that follows from the photo counts as equal to the other one."""
    return preset.width or preset.height or 0, preset.height or preset.width or 0
