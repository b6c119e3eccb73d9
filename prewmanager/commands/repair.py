"""A stale preview brought in line while the site runs, so that at no moment there is none."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from prewmanager.app import running_service
from prewmanager.commands.freshness import FreshPreviews, Stale
from prewmanager.commands.rendering import Renderer, RenderReport
from prewmanager.commands.site import Buckets, catalogue, light, object_reader, open_result_cache
from prewmanager.config.settings import Settings
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.ports import Inventory, ObjectReader, ResultCache


@dataclass(frozen=True, slots=True)
class Repairer:
    """Brings one preview in line."""

    maker: Renderer
    photos: ObjectReader
    previews: Inventory
    cached_results: ResultCache | None

    async def repair(self, preview: Preview, stale: Stale) -> bool:
        """Make it anew, or delete it where its photo is gone; False where that failed.

        Raises `StorageFailed`, `FlightStoreUnavailable`.
        """
        if self.cached_results is not None:
            # An outcome of before would be taken for this one's.
            await self.cached_results.evict_flight(preview.flight_key)
        if stale is not Stale.PHOTO_GONE:
            return await self.maker.make(preview)
        # The listing is some time ago: whoever uploaded the photo since has a right to its preview.
        if await self.photos.head(preview.photo_key) is None:
            await self.previews.delete([preview.preview_key])
            self.maker.account.done["deleted"] += 1
        return True


@contextlib.asynccontextmanager
async def open_repairer(
    settings: Settings, buckets: Buckets, account: RenderReport, at_once: int
) -> AsyncIterator[Repairer]:
    """A repairer of this site that works on `at_once` previews. Raises `FlightStoreUnavailable`."""
    photos = object_reader(settings, settings.source_bucket)
    fresh = FreshPreviews(object_reader(settings, settings.preview_bucket_name), photos, catalogue(settings))
    async with (
        open_result_cache(settings) as cached_results,
        running_service(light(settings, at_once), fresh) as service,
    ):
        maker = Renderer(service.coalescer, account, settings.transient_ttl)
        yield Repairer(maker, photos, buckets.previews, cached_results)
