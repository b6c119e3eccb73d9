"""Deletes previews from their bucket: all that a listing has, or those that no request needs any more.

Where the photo is gone, or the prefix is an earlier one, each object is looked at before it is deleted: the photo may
have been uploaded since it was listed, and what is below a prefix that somebody names may be anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from prewmanager.commands.arguments import Target
from prewmanager.commands.concurrency import for_each
from prewmanager.commands.listings import Listings, Order, in_listing_order
from prewmanager.commands.output import OnItem
from prewmanager.previews.inventory import StoredObject
from prewmanager.previews.ports import Inventory, ObjectReader

_AT_ONCE = 32  # HEAD requests
_BATCH = 1000  # objects in memory at a time; S3 deletes as many in one request

Check = Callable[[StoredObject], Awaitable[bool]]
"""Whether an object is to be deleted."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted, or in a dry run would be; `kept` objects failed the check."""

    objects: int = 0
    bytes: int = 0
    kept: int = 0

    def __add__(self, other: Deleted) -> Deleted:
        """Return the sum of two counts."""
        return Deleted(self.objects + other.objects, self.bytes + other.bytes, self.kept + other.kept)


async def delete_listed(inventory: Inventory, target: Target, on_object: OnItem, *, really: bool) -> Deleted:
    """Delete one target's previews, or only count them. Raises `StorageFailed`."""
    total = Deleted()
    async for batch in _batches(_of(inventory, target)):
        if really:
            await inventory.delete([each.key for each in batch])
        total += _sum(batch)
        for _ in batch:
            on_object()
    return total


async def _delete_checked(
    inventory: Inventory, found: AsyncIterator[StoredObject], check: Check, on_object: OnItem, *, really: bool
) -> Deleted:
    """Delete those of these objects that pass the check, or only count them. Raises `StorageFailed`."""
    total = Deleted()
    async for batch in _batches(found):
        passed = await _passing(batch, check)
        if really:
            await inventory.delete([each.key for each in passed])
        for _ in batch:
            on_object()
        total += _sum(passed) + Deleted(kept=len(batch) - len(passed))
    return total


async def delete_of_missing_photos(
    listings: Listings, prefix: str, photos: ObjectReader, on_object: OnItem, *, really: bool
) -> Deleted:
    """Delete one preset's previews whose photo is gone, or only count them. Raises `StorageFailed`."""

    async def is_gone(preview: StoredObject) -> bool:
        name = preview.key.removeprefix(listings.layout.previews_in(listings.preset))
        return await photos.head(f"{listings.layout.photos}{name}") is None

    async def count(order: Order) -> int:
        return len([None async for _ in _without_photo(listings, prefix, order)])

    number, order = await in_listing_order(count)
    if not number:
        return Deleted()
    found = _without_photo(listings, prefix, order)
    return await _delete_checked(listings.previews, found, is_gone, on_object, really=really)


async def delete_former(
    previews: Inventory, target: Target, reader: ObjectReader, on_object: OnItem, *, really: bool
) -> Deleted:
    """Delete one target's objects that are previews by their metadata, or only count them. Raises `StorageFailed`."""

    async def is_preview(found: StoredObject) -> bool:
        head = await reader.head(found.key)
        return head is not None and head.fingerprint is not None

    return await _delete_checked(previews, _of(previews, target), is_preview, on_object, really=really)


def _of(inventory: Inventory, target: Target) -> AsyncIterator[StoredObject]:
    return (each async for each in inventory.objects(target.start) if target.has(each.key))


def _sum(objects: Sequence[StoredObject]) -> Deleted:
    return Deleted(len(objects), sum(each.size for each in objects))


async def _batches(found: AsyncIterator[StoredObject]) -> AsyncIterator[list[StoredObject]]:
    batch: list[StoredObject] = []
    async for each in found:
        batch.append(each)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _passing(batch: list[StoredObject], check: Check) -> list[StoredObject]:
    async def each_of_batch() -> AsyncIterator[StoredObject]:
        for each in batch:
            yield each

    passed = set[str]()

    async def examine(each: StoredObject) -> None:
        if await check(each):
            passed.add(each.key)

    await for_each(each_of_batch(), examine, at_once=_AT_ONCE)
    return [each for each in batch if each.key in passed]


async def _without_photo(listings: Listings, prefix: str, order: Order) -> AsyncIterator[StoredObject]:
    async for pair in listings.pairs(prefix, order):
        if pair.preview is not None and pair.photo is None:
            yield pair.preview
