"""Photos and their previews side by side, in constant memory: two sorted listings, merged.

S3 lists keys in the order of their UTF-8 bytes. Servers that keep folders (SeaweedFS) order by path segment instead,
so that `a/b` comes before `a-b`. Many names are in the same order either way, so the server's order cannot be known
beforehand: a merge assumes one order, and raises `OutOfOrder` if a listing is not sorted by it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from prewmanager.errors import StorageFailed
from prewmanager.previews.inventory import StoredObject
from prewmanager.previews.layout import Layout
from prewmanager.previews.ports import Inventory

Rank = tuple[bytes, ...]
Order = Callable[[str], Rank]
T = TypeVar("T")


def by_bytes(name: str) -> Rank:
    """Rank names as S3 lists them."""
    return (name.encode(),)


def by_segments(name: str) -> Rank:
    """Rank names as a server with folders lists them."""
    return tuple(name.encode().split(b"/"))


class OutOfOrder(StorageFailed):
    """A listing is not sorted in the order that was assumed."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo's name, without any prefix, and what is stored under it: the photo, its preview, or both."""

    name: str
    photo: StoredObject | None
    preview: StoredObject | None


@dataclass(frozen=True, slots=True)
class Listings:
    """The listings of photos and of one preset's previews."""

    photos: Inventory
    previews: Inventory
    layout: Layout
    preset: str

    async def pairs(self, prefix: str, order: Order) -> AsyncIterator[Pair]:
        """Yield all names that begin with `prefix`, each once.

        Raises `StorageFailed`, and `OutOfOrder` if a listing is not in this order: pairs yielded before may then be
        wrong.
        """
        # Below the bucket's root are the previews, too.
        photos = _ranked(self.photos, self.layout.photos, prefix, order, self.layout.is_photo)
        previews = _ranked(self.previews, self.layout.previews_in(self.preset), prefix, order, _any)
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
    """Call `work` with the order of the listings, and return its result and that order.

    `work` may be called with a wrong order first, which must be harmless. Raises `OutOfOrder` if the listings have no
    known order.
    """
    try:
        return await work(by_bytes), by_bytes
    except OutOfOrder:
        return await work(by_segments), by_segments


class _Ranked(NamedTuple):
    rank: Rank
    name: str
    stored: StoredObject


def _any(_: str) -> bool:
    return True


async def _ranked(
    inventory: Inventory, root: str, prefix: str, order: Order, belongs: Callable[[str], bool]
) -> AsyncIterator[_Ranked]:
    last: Rank = ()
    async for stored in inventory.objects(root + prefix):
        if not belongs(stored.key):
            continue
        name = stored.key.removeprefix(root)
        rank = order(name)
        if rank < last:
            raise OutOfOrder(f"{stored.key}: the listing is not sorted; run the command again")
        last = rank
        yield _Ranked(rank, name, stored)
