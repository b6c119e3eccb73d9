"""Buckets and cached results, by role. Adapters implement these ports; no third-party type crosses them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from prewmanager.previews.inventory import ListedPage, ObjectHead, StoredObject, Wanted
from prewmanager.previews.outcome import Made


class PreviewStore(Protocol):
    """The bucket of previews, for reading."""

    async def find(self, key: str) -> Made | None:
        """Return the preview under this key, or None. Raises `StorageFailed`."""
        ...

    async def stream(self, key: str) -> tuple[Made, AsyncIterator[bytes]]:
        """Return the preview under this key, piece by piece.

        Raises `StorageFailed`, `PreviewGone` if it does not exist, and `ReplicaFailed` if this process may not read it.
        """
        ...


class ObjectReader(Protocol):
    """A bucket, for reading one object's metadata."""

    async def head(self, key: str) -> ObjectHead | None:
        """Return this object's metadata, or None if it does not exist. Raises `StorageFailed`."""
        ...


class Inventory(Protocol):
    """The objects of one bucket, for listing and deleting."""

    def objects(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Yield the objects whose key begins with `prefix`, in the server's order. Raises `StorageFailed`."""
        ...

    def folders(self, prefix: str) -> AsyncIterator[str]:
        """Yield the next segments of the keys under `prefix`, which ends with a slash. Raises `StorageFailed`."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; missing ones count as deleted.

        Raises `StorageFailed`, and `ValueError` before anything is deleted if a key is not a preview's.
        """
        ...


class Pages(Protocol):
    """The objects of one bucket, a page at a time."""

    async def page(self, prefix: str, limit: int, token: str | None) -> ListedPage:
        """Return at most `limit` objects whose key begins with `prefix`. Raises `StorageFailed`."""
        ...


class ResultCache(Protocol):
    """The results of flights that Redis keeps for a while: previews just made, and failures."""

    async def count(self, wanted: Wanted) -> int:
        """Count the results of the selected previews. Raises `FlightStoreUnavailable`."""
        ...

    async def evict(self, wanted: Wanted) -> int:
        """Delete these results, not leases, and return their number. Raises `FlightStoreUnavailable`."""
        ...

    async def evict_fault(self, photo_key: str) -> None:
        """Delete what is known of a photo, such as that it is missing. Raises `FlightStoreUnavailable`."""
        ...
