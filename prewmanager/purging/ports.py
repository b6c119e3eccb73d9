"""What purging needs from the outside, by role. Adapters implement these; no third-party type crosses them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from prewmanager.purging.copies import Copies


class Cache(Protocol):
    """A cache in front of the previews."""

    @property
    def name(self) -> str:
        """What metrics, the log and messages call it; without any secret."""
        ...

    @property
    def is_behind(self) -> bool:
        """Whether other caches fetch from it, so that it has to forget first."""
        ...

    @property
    def is_billed(self) -> bool:
        """Whether each purge costs money."""
        ...

    async def purge(self, copies: Copies) -> None:
        """Have the cache forget these, soon. Raises `CacheUnavailable`."""
        ...


class Note(NamedTuple):
    """A photo whose outdated previews are deleted; `untagged`: some have no tags. `version` tells two notes apart."""

    version: str
    untagged: bool


class OutdatedPhotos(Protocol):
    """Photos of which caches have not been told yet. Each method raises `FlightStoreUnavailable`."""

    async def note(self, photo_key: str, *, untagged: bool) -> None:
        """Remember a photo, for a day at most."""
        ...

    async def known(self, photo_key: str) -> Note | None:
        """Return what is kept of it."""
        ...

    async def done(self, photo_key: str, note: Note) -> None:
        """Forget it, unless it was noted once more since."""
        ...


class PurgeObserver(Protocol):
    """Is notified of purges, for metrics and the log."""

    def expect(self, caches: Iterable[str]) -> None:
        """These caches will be told."""
        ...

    def purged(self, cache: str, copies: Copies, error: str | None) -> None:
        """A cache has been told, or `error` says why it could not be."""
        ...
