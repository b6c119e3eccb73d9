"""Photos and their previews side by side, in constant memory: two sorted listings, merged.

S3 lists keys in the order of their UTF-8 bytes. Servers that keep folders (SeaweedFS) list one segment after the
other instead, so that `a/b` comes before `a-b`. Which order it is shows itself only where names differ in it; a merge
is right in any order in which both listings are sorted, and notices where they are not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from prewmanager.errors import StorageFailed
from prewmanager.previews.inventory import StoredObject
from prewmanager.previews.ports import Inventory

Rank = tuple[bytes, ...]
Order = Callable[[str], Rank]
T = TypeVar("T")


def by_bytes(name: str) -> Rank:
    """The order of S3."""
    return (name.encode(),)


def by_segments(name: str) -> Rank:
    """The order of a walk through folders."""
    return tuple(name.encode().split(b"/"))


class OutOfOrder(StorageFailed):
    """A listing is not sorted in the order that was assumed."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo's name, without any prefix, and what there is of it: the photo, its preview, or both."""

    name: str
    photo: StoredObject | None
    preview: StoredObject | None


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a preset's photos and previews are; both prefixes end with a slash."""

    photos: Inventory
    photos_under: str
    previews: Inventory
    previews_under: str

    async def pairs(self, prefix: str, order: Order) -> AsyncIterator[Pair]:
        """All names that begin with `prefix`, each once.

        Raises `StorageFailed`; as `OutOfOrder` where the listings are not sorted so, and then what came before may be
        wrong.
        """
        photos = _ranked(self.photos, self.photos_under, prefix, order)
        previews = _ranked(self.previews, self.previews_under, prefix, order)
        photo, preview = await anext(photos, None), await anext(previews, None)
        while photo or preview:
            first = min(each for each in (photo, preview) if each)
            has_photo, has_preview = photo and photo.rank == first.rank, preview and preview.rank == first.rank
            yield Pair(
                first.name,
                photo.stored if photo and has_photo else None,
                preview.stored if preview and has_preview else None,
            )
            photo = await anext(photos, None) if has_photo else photo
            preview = await anext(previews, None) if has_preview else preview


async def in_listing_order(work: Callable[[Order], Awaitable[T]]) -> tuple[T, Order]:
    """What `work` gives in the order that the listings turn out to have, and that order.

    `work` must do no harm when its order is the wrong one. Raises `OutOfOrder` where no known order is right.
    """
    try:
        return await work(by_bytes), by_bytes
    except OutOfOrder:
        return await work(by_segments), by_segments


class _Ranked(NamedTuple):
    rank: Rank
    name: str
    stored: StoredObject


async def _ranked(inventory: Inventory, under: str, prefix: str, order: Order) -> AsyncIterator[_Ranked]:
    last: Rank = ()
    async for stored in inventory.objects(under + prefix):
        name = stored.key.removeprefix(under)
        rank = order(name)
        if rank < last:
            raise OutOfOrder(f"{stored.key}: not listed in the order of the names; run it again")
        last = rank
        yield _Ranked(rank, name, stored)
