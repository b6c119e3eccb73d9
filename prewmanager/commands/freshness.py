"""Decides whether a preview is fresh: rendered by the preset's current definition, from the current photo."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
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
    PHOTO_CHANGED = "photo_changed"
    PHOTO_GONE = "photo_gone"
    UNTAGGED = "untagged"


async def why_stale(pair: Pair, preset: Preset, previews: ObjectReader, *, tags: bool = False) -> Stale | None:
    """Return why this preview is stale, or None if it is fresh; reads its metadata only if needed.

    `tags`: a cache in front knows previews by their tags alone. Raises `StorageFailed`.
    """
    if pair.preview is None:
        return None
    if pair.photo is None:
        return Stale.PHOTO_GONE
    found = await previews.head(pair.preview.key)
    if found is None:
        return None
    if not _is_of(found, pair.photo.etag, pair.photo.modified):
        return Stale.PHOTO_CHANGED
    if found.fingerprint != preset.fingerprint:
        return Stale.PRESET_CHANGED
    return Stale.UNTAGGED if tags and not found.tagged else None


class FreshPreviews:
    """A `PreviewStore` that finds only fresh previews, so that a flight renders over a stale one.

    The flight checks while it has the lease: a preview that another process has repaired is not rendered again.
    """

    def __init__(
        self, previews: PreviewBucket, photos: ObjectReader, catalogue: Catalogue, *, tags: bool = False
    ) -> None:
        """`tags`: those without are not fresh."""
        self._previews = previews
        self._photos = photos
        self._catalogue = catalogue
        self._tags = tags

    async def find(self, key: str) -> Made | None:
        """Return the preview under this key, without its bytes, or None if it is not fresh.

        Raises `StorageFailed`.
        """
        _, preset_name, name = key.split("/", 2)
        preview = await self._previews.head(key)
        photo = await self._photos.head(self._catalogue.layout.photo_key(name))
        if preview is None or photo is None or not _fresh(preview, photo, self._catalogue.presets[preset_name]):
            return None
        if self._tags and not preview.tagged:
            return None
        return preview.made

    async def stream(self, key: str) -> tuple[Made, AsyncIterator[bytes]]:
        """Return the preview under this key, fresh or not. Raises `StorageFailed`."""
        return await self._previews.stream(key)

    async def ping(self) -> None:
        """Return when the bucket answers. Raises `StorageFailed`."""
        await self._previews.ping()


def _fresh(preview: ObjectHead, photo: ObjectHead, preset: Preset) -> bool:
    is_current = _is_of(preview, photo.made.etag.strip('"'), photo.modified)
    return is_current and preview.fingerprint == preset.fingerprint


def _is_of(preview: ObjectHead, photo_etag: str, photo_modified: datetime) -> bool:
    """Whether a preview was rendered from this version of its photo.

    One that does not say from which, as those of other functions, is by its time: a photo that is replaced while its
    preview is rendered goes unnoticed.
    """
    if preview.source_etag is None or not photo_etag:
        return preview.modified >= photo_modified
    return preview.source_etag == photo_etag
