"""Whether a preview is what would be made now: by the preset as it is, of the photo as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Protocol

from prewmanager.commands.listings import Pair
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.inventory import ObjectHead
from prewmanager.previews.outcome import Made
from prewmanager.previews.ports import ObjectReader, PreviewStore
from prewmanager.web.ports import Probe
from prewmanager_presets import Preset


class Stale(StrEnum):
    """Why a preview is out of date."""

    PRESET_CHANGED = "preset_changed"
    PHOTO_NEWER = "photo_newer"
    PHOTO_GONE = "photo_gone"


async def why_stale(pair: Pair, preset: Preset, previews: ObjectReader) -> Stale | None:
    """Why this preview is stale, or None where it is fresh; it is looked at only where the listings do not say.

    Last-Modified has whole seconds: a photo that was replaced within the second in which its preview was made goes
    unnoticed. Raises `StorageFailed`.
    """
    if pair.preview is None:
        return None
    if pair.photo is None:
        return Stale.PHOTO_GONE
    if pair.photo.modified > pair.preview.modified:
        return Stale.PHOTO_NEWER
    found = await previews.head(pair.preview.key)
    if found is None or found.fingerprint == preset.fingerprint:
        return None
    return Stale.PRESET_CHANGED


class LookingStore(ObjectReader, PreviewStore, Probe, Protocol):
    """The bucket of previews in all its abilities."""


class FreshPreviews:
    """A `PreviewStore` that finds a preview only where it is fresh, so that a flight makes what is there and stale.

    The flight looks while it has the lease: what another process has made anew in the meantime is not made again.
    """

    def __init__(self, previews: LookingStore, photos: ObjectReader, catalogue: Catalogue) -> None:
        self._previews = previews
        self._photos = photos
        self._catalogue = catalogue

    async def find(self, key: str) -> Made | None:
        """The preview under this key, without its bytes, or None where it is not fresh. Raises `StorageFailed`."""
        _, preset_name, name = key.split("/", 2)
        preview = await self._previews.head(key)
        photo = await self._photos.head(f"{self._catalogue.source_prefix}/{name}")
        if preview is None or photo is None or not _fresh(preview, photo, self._catalogue.presets[preset_name]):
            return None
        return preview.made

    async def stream(self, key: str) -> tuple[Made, AsyncIterator[bytes]]:
        """The preview under this key, fresh or not. Raises `StorageFailed`."""
        return await self._previews.stream(key)

    async def ping(self) -> None:
        """Return when the bucket answers. Raises `StorageFailed`."""
        await self._previews.ping()


def _fresh(preview: ObjectHead, photo: ObjectHead, preset: Preset) -> bool:
    return preview.fingerprint == preset.fingerprint and preview.modified >= photo.modified
