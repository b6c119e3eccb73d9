"""Decides whether a preview is fresh: rendered by the preset's current definition, from the current photo."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum

from prewmanager.commands.listings import Pair
from prewmanager.commands.ports import PreviewBucket
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.inventory import ObjectHead
from prewmanager.previews.outcome import Made
from prewmanager.previews.ports import ObjectReader
from prewmanager_presets import Preset


class Stale(StrEnum):
    """Why a preview is stale."""

    PRESET_CHANGED = "preset_changed"
    PHOTO_NEWER = "photo_newer"
    PHOTO_GONE = "photo_gone"


async def why_stale(pair: Pair, preset: Preset, previews: ObjectReader) -> Stale | None:
    """Return why this preview is stale, or None if it is fresh; reads its metadata only if needed.

    Last-Modified has whole seconds: a photo that is replaced within the second in which its preview is rendered goes
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


class FreshPreviews:
    """A `PreviewStore` that finds only fresh previews, so that a flight renders over a stale one.

    The flight checks while it has the lease: a preview that another process has repaired is not rendered again.
    """

    def __init__(self, previews: PreviewBucket, photos: ObjectReader, catalogue: Catalogue) -> None:
        self._previews = previews
        self._photos = photos
        self._catalogue = catalogue

    async def find(self, key: str) -> Made | None:
        """Return the preview under this key, without its bytes, or None if it is not fresh.

        Raises `StorageFailed`.
        """
        _, preset_name, name = key.split("/", 2)
        preview = await self._previews.head(key)
        photo = await self._photos.head(f"{self._catalogue.source_prefix}/{name}")
        if preview is None or photo is None or not _fresh(preview, photo, self._catalogue.presets[preset_name]):
            return None
        return preview.made

    async def stream(self, key: str) -> tuple[Made, AsyncIterator[bytes]]:
        """Return the preview under this key, fresh or not. Raises `StorageFailed`."""
        return await self._previews.stream(key)

    async def ping(self) -> None:
        """Return when the bucket answers. Raises `StorageFailed`."""
        await self._previews.ping()


def _fresh(preview: ObjectHead, photo: ObjectHead, preset: Preset) -> bool:
    return preview.fingerprint == preset.fingerprint and preview.modified >= photo.modified
