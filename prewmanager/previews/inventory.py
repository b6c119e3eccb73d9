"""What is in a bucket, for those who tend it: listed in a stream, deleted in batches. The service never deletes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from prewmanager.flights.ports import Made

# Whether the preview with this key is meant.
Wanted = Callable[[str], bool]


class StoredObject(NamedTuple):
    """One object as a listing tells it; `size` is in bytes, `modified` S3's Last-Modified, in whole seconds."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """One object as it tells of itself; `fingerprint` is that of the preset which it was made by, where it says so."""

    made: Made
    modified: datetime
    fingerprint: str | None


class ObjectReader(Protocol):
    """A bucket, for looking at one object."""

    async def head(self, key: str) -> ObjectHead | None:
        """What this object tells of itself, or None where there is none. Raises `StorageFailed`."""
        ...


class Inventory(Protocol):
    """The objects of one bucket."""

    def objects(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Those whose key begins with `prefix`, in the order of the server. Raises `StorageFailed`."""
        ...

    def folders(self, prefix: str) -> AsyncIterator[str]:
        """The next segments of the keys under `prefix`, which ends with a slash. Raises `StorageFailed`."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone already count as deleted.

        Raises `StorageFailed`, and `ValueError` before anything was deleted where a key is not one of a preview.
        """
        ...


class ListedPage(NamedTuple):
    """Part of a listing, and the token that the next part is asked for with, or None after the last one."""

    objects: list[StoredObject]
    token: str | None


class Pages(Protocol):
    """The objects of one bucket, for whoever looks at a few and comes back."""

    async def page(self, prefix: str, limit: int, token: str | None) -> ListedPage:
        """At most `limit` objects whose key begins with `prefix`. Raises `StorageFailed`."""
        ...


class ResultCache(Protocol):
    """The outcomes of flights that are told to whoever still asks: previews just made, failures."""

    async def count(self, wanted: Wanted) -> int:
        """How many there are for previews whose key is wanted. Raises `FlightStoreUnavailable`."""
        ...

    async def evict(self, wanted: Wanted) -> int:
        """Forget them, and say how many; a flight under way is left alone. Raises `FlightStoreUnavailable`."""
        ...

    async def drop(self, flight_key: str) -> None:
        """Forget the outcome of one flight, unless it is under way. Raises `FlightStoreUnavailable`."""
        ...
