"""Repairs stale previews while the site runs: a preview is replaced, never missing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from prewmanager.app import running_service
from prewmanager.commands.freshness import FreshPreviews, Stale
from prewmanager.commands.rendering import Done, Renderer
from prewmanager.commands.site import Buckets, catalogue_of, object_reader, settings_for_rendering
from prewmanager.config.purges import needs_tags
from prewmanager.config.settings import Settings
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.coalescer import Coalescer
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Failure
from prewmanager.previews.ports import Inventory, ObjectReader
from prewmanager_presets import Effort


@dataclass(frozen=True, slots=True)
class Repairer:
    """Repairs single previews."""

    renderer: Renderer
    photos: ObjectReader
    previews: Inventory
    coalescer: Coalescer

    async def repair(self, preview: Preview, stale: Stale) -> Done | Failure | None:
        """Render the preview again, or delete it if its photo is gone; None if the photo is back.

        Raises `StorageFailed`.
        """
        # Otherwise the flight would return an earlier result; without Redis it has none.
        with contextlib.suppress(FlightStoreUnavailable):
            await self.coalescer.evict([preview])
        if stale is not Stale.PHOTO_GONE:
            return await self.renderer.render(preview)
        # The photo may have been uploaded since it was listed.
        if await self.photos.head(preview.photo_key) is not None:
            return None
        await self.previews.delete([preview.preview_key])
        return "deleted"


@contextlib.asynccontextmanager
async def open_repairer(settings: Settings, buckets: Buckets, at_once: int, effort: Effort) -> AsyncIterator[Repairer]:
    """Open a repairer that works on `at_once` previews, at this effort of the encoders."""
    photos = object_reader(settings, settings.source_bucket)
    previews, tags = object_reader(settings, settings.preview_bucket_name), needs_tags(settings)
    fresh = FreshPreviews(previews, photos, catalogue_of(settings), tags=tags)
    async with running_service(settings_for_rendering(settings, at_once), fresh, effort=effort) as service:
        renderer = Renderer(service.coalescer, settings.transient_ttl)
        yield Repairer(renderer, photos, buckets.previews, service.coalescer)
