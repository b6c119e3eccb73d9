"""Has caches forget the previews of photos that were uploaded or removed.

Of each upload comes an event, and most photos are new: nobody has a copy of their previews, and telling a CDN costs
money. So who deletes outdated previews notes the photo before that, and only then caches are purged.

    note ──▶ the outdated previews are deleted ──▶ changed: caches are purged ──▶ the note goes
                  └ whoever fails in between: the note stays, and the next try tells them
"""

from __future__ import annotations

from prewmanager.previews.catalogue import Catalogue
from prewmanager.purging.copies import of_photo
from prewmanager.purging.ports import OutdatedPhotos
from prewmanager.purging.purger import Purger

# An answer of S3 that a cache has begun to read before the deletion is kept after the purge; it has come by then.
_FILLED_S = 5.0


class ChangedPhotos:
    """Decides what caches forget of a photo that has changed."""

    def __init__(self, purger: Purger, outdated: OutdatedPhotos, catalogue: Catalogue, *, again_s: float) -> None:
        """`again_s`: seconds after which no rendering that began before is answered any more."""
        self._purger = purger
        self._outdated = outdated
        self._catalogue = catalogue
        self._again_s = again_s

    async def note(self, photo_key: str, *, untagged: bool) -> None:
        """Note that outdated previews of a photo are deleted next, some of them without tags.

        Raises `FlightStoreUnavailable`.
        """
        if self._purger.has_caches:
            await self._outdated.note(photo_key, untagged=untagged)

    async def changed(self, photo_key: str, *, in_flight: bool) -> None:
        """Purge all caches, if there may be copies of the earlier photo's previews.

        `in_flight`: flights of this photo are in progress, or have ended a moment ago. What they answer may be the
        earlier photo's, now or a while later, so caches are purged once more after that. Raises `CacheUnavailable`,
        `FlightStoreUnavailable`, and `InvalidKey` for a key of no photo.
        """
        if not self._purger.has_caches:
            return
        note = await self._outdated.known(photo_key)
        if note is None and not in_flight:
            return
        copies = of_photo(self._catalogue, photo_key, untagged=note is not None and note.untagged)
        if in_flight:
            self._purger.later(copies, self._again_s)
        await self._purger.purge(copies)
        self._purger.later(copies, _FILLED_S, billed=False)
        if note is not None:
            await self._outdated.done(photo_key, note)
