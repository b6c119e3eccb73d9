"""A stale preview brought in line while the site runs, so that at no moment there is none."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from prewmanager.app import running_service
from prewmanager.commands.freshness import FreshPreviews, Stale
from prewmanager.commands.making import Account, Maker
from prewmanager.commands.parts import Buckets, catalogue, light, looking, open_remembered
from prewmanager.inventory import Inventory, Looks, Remembered
from prewmanager.preview import Preview
from prewmanager.settings import Settings


@dataclass(frozen=True, slots=True)
class Mender:
    """Brings one preview in line."""

    maker: Maker
    photos: Looks
    previews: Inventory
    remembered: Remembered | None

    async def mend(self, preview: Preview, stale: Stale) -> bool:
        """Make it anew, or delete it where its photo is gone; False where that failed.

        Raises `StorageFailed`, `BoardUnavailable`.
        """
        if self.remembered is not None:
            # An outcome of before would be taken for this one's.
            await self.remembered.drop(preview.flight_key)
        if stale is not Stale.PHOTO_GONE:
            return await self.maker.make(preview)
        # The listing is some time ago: whoever uploaded the photo since has a right to its preview.
        if await self.photos.look(preview.photo_key) is None:
            await self.previews.delete([preview.preview_key])
            self.maker.account.done["deleted"] += 1
        return True


@contextlib.asynccontextmanager
async def open_mender(settings: Settings, buckets: Buckets, account: Account, at_once: int) -> AsyncIterator[Mender]:
    """A mender of this site that works on `at_once` previews. Raises `BoardUnavailable`."""
    photos = looking(settings, settings.source_bucket)
    fresh = FreshPreviews(looking(settings, settings.bucket_of_previews), photos, catalogue(settings))
    async with open_remembered(settings) as remembered, running_service(light(settings, at_once), fresh) as service:
        maker = Maker(service.coalescer, account, settings.transient_ttl)
        yield Mender(maker, photos, buckets.previews, remembered)
