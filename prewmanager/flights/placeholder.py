"""What stands in for a preview that is not there yet: the nearest one of the same photo that exists."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

from prewmanager.errors import StorageFailed
from prewmanager.flights.ports import FlightResult, Made, PreviewStore, Source
from prewmanager.previews.catalogue import Catalogue, Preview
from prewmanager.previews.preset import Preset

MAX_LOOKUPS = 6  # at S3, at once, for one flight
LOOKUPS_TIMEOUT_S = 2.0  # for all of them together: nobody shall wait longer for a failure than that
# Until the wanted one is there: a page that is loaded again gets it, and a CDN asks again soon.
FALLBACK_CACHE_CONTROL = "public, max-age=5"
# What every browser shows, or got from a preset that leaves it as it came.
_FOR_ALL = frozenset({"keep", "jpeg", "png"})


class FallbackFinder:
    """Looks for stand-ins."""

    def __init__(self, catalogue: Catalogue, store: PreviewStore, *, after_s: float) -> None:
        """`after_s`: seconds for which a flight may go on before its requests get a stand-in."""
        self._catalogue = catalogue
        self._store = store
        self.after_s = after_s

    async def find(self, preview: Preview) -> FlightResult | None:
        """The nearest preview that is in the bucket, to be cached briefly, or None. Never raises.

        One that is too large to be carried in memory counts as none.
        """
        began = time.perf_counter()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOKUPS_TIMEOUT_S):
                looked = await asyncio.gather(*map(self._look, self.candidates(preview)[:MAX_LOOKUPS]))
            for made in looked:
                if made is not None:
                    timings_ms = {"s3": (time.perf_counter() - began) * 1000}
                    return FlightResult(
                        replace(made, cache_control=FALLBACK_CACHE_CONTROL), Source.FALLBACK, timings_ms=timings_ms
                    )
        return None

    async def _look(self, candidate: Preview) -> Made | None:
        try:
            made = await self._store.find(candidate.preview_key)
        except StorageFailed:
            return None
        return made if made is not None and made.body is not None else None

    def candidates(self, preview: Preview) -> list[Preview]:
        """Other previews of the photo that a client who wants this one can show, the nearest by width first.

        Then by height; of two that are as near, the larger one, since browsers scale down better than up.
        """
        wanted = preview.preset
        near = sorted(
            (_distance(wanted, preset), name)
            for name, preset in self._catalogue.presets.items()
            if name != preview.preset_name and preset.format in _FOR_ALL | {wanted.format}
        )
        return [other for _, name in near if (other := self._catalogue.other(preview, name))]


def _distance(wanted: Preset, other: Preset) -> tuple[int, int, bool]:
    """What nearness goes by: pixels of width, pixels of height, and whether it is the smaller one."""
    wide, high = _box(wanted)
    other_wide, other_high = _box(other)
    return abs(wide - other_wide), abs(high - other_high), (other_wide, other_high) < (wide, high)


def _box(preset: Preset) -> tuple[int, int]:
    """Width and height in pixels; a side that follows from the photo counts as long as the other one."""
    return preset.width or preset.height or 0, preset.height or preset.width or 0
