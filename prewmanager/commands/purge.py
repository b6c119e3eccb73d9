"""Deletes previews, their results in Redis, and their copies in caches.

The objects are deleted before the cached results: the other way round, a flight in between could find an object that is
about to be deleted, and its result would be cached. Caches come last, for the same reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from prewmanager.commands.arguments import Target, with_variants
from prewmanager.commands.caches import FREE_PATHS, PATH_USD, CachedCopies, purge_caches
from prewmanager.commands.output import (
    OnItem,
    no_match,
    print_json,
    print_line,
    print_table,
    print_warning,
    progress,
    readable_size,
)
from prewmanager.commands.site import open_buckets, open_result_cache
from prewmanager.config.settings import Settings
from prewmanager.errors import InvalidSettings
from prewmanager.previews.inventory import StoredObject
from prewmanager.previews.ports import Inventory

_BATCH = 1000  # keys in memory at a time; S3 deletes as many in one request


@dataclass(frozen=True, slots=True)
class PurgeRequest:
    """What to purge; `photo` is a whole key, `prefix` the beginning of photos' names.

    A preset's name selects its variants too, unless `exact`.
    """

    presets: tuple[str, ...]
    prefix: str
    photo: str
    orphans: bool
    exact: bool = False
    nginx_cache: Path | None = None


@dataclass(frozen=True, slots=True)
class PurgeCount:
    """The previews of one preset that were deleted, or in a dry run would be."""

    preset: str
    previews: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Purged:
    """What was deleted, or in a dry run would be.

    None stands for what there is not: `cached_results` without Redis, `nginx` without --nginx-cache, and `cloudfront`,
    the invalidated paths, without a distribution.
    """

    dry_run: bool
    presets: Sequence[PurgeCount]
    cached_results: int | None
    nginx: int | None
    cloudfront: Sequence[str] | None


async def targets(settings: Settings, request: PurgeRequest, previews: Inventory) -> list[Target]:
    """List what to delete, always under the previews' prefix.

    Raises `InvalidSettings` for an invalid combination of options, and `StorageFailed`.
    """
    if not (request.presets or request.photo or request.orphans):
        raise InvalidSettings(["purge: name presets, or use --photo or --orphans"])
    if request.photo and request.prefix:
        raise InvalidSettings(["purge: --photo names one photo; leave --prefix out"])
    name = request.prefix
    if request.photo:
        start = f"{settings.source_prefix}/"
        name = request.photo.removeprefix(start)
        if name == request.photo or not name:
            raise InvalidSettings([f"--photo {request.photo}: a photo's key is {start} followed by its name"])
    root = settings.preview_prefix
    return [
        Target(preset, f"{root}/{preset}/{name}", exact=bool(request.photo))
        for preset in await _presets(settings, request, previews)
    ]


async def _presets(settings: Settings, request: PurgeRequest, previews: Inventory) -> list[str]:
    """List names from the settings, and with --orphans from the bucket: no other name can become part of a key."""
    stored = [name async for name in previews.folders(f"{settings.preview_prefix}/") if name] if request.orphans else []
    known = [*settings.variants, *(name for name in stored if name not in settings.variants)]
    unknown = [name for name in request.presets if name not in known]
    if unknown:
        where = "neither in the settings nor in the bucket" if request.orphans else "not in the settings; see --orphans"
        raise InvalidSettings([f"{name!r}: {where}" for name in unknown])
    if request.presets:
        return with_variants(settings, request.presets, exact=request.exact)
    return known if request.photo else known[len(settings.variants) :]


async def delete(previews: Inventory, target: Target, on_object: OnItem, *, really: bool) -> PurgeCount:
    """Delete one target's previews, or only count them. Raises `StorageFailed`."""
    count = size = 0
    async for batch in _batches(previews, target):
        if really:
            await previews.delete([each.key for each in batch])
        count += len(batch)
        size += sum(each.size for each in batch)
        for _ in batch:
            on_object()
    return PurgeCount(target.preset, count, size)


async def _batches(previews: Inventory, target: Target) -> AsyncIterator[list[StoredObject]]:
    batch: list[StoredObject] = []
    async for stored in previews.objects(target.start):
        if not target.has(stored.key):
            continue
        batch.append(stored)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def run(settings: Settings, request: PurgeRequest, *, yes: bool, as_json: bool) -> int:
    """Run the command and return its exit code, 1 if the prefix matches nothing.

    Where it is interrupted, the number of previews is printed. Raises `InvalidSettings`, `StorageFailed`,
    `FlightStoreUnavailable`, `CacheUnavailable`.
    """
    async with open_buckets(settings) as buckets, open_result_cache(settings) as cached_results:
        found = await targets(settings, request, buckets.previews)
        purged = await _purged(buckets.previews, found, really=yes)
        results = None
        if cached_results is not None:
            evict_or_count = cached_results.evict if yes else cached_results.count
            results = await evict_or_count(lambda key: any(each.has(key) for each in found))
            if yes and request.photo:
                await cached_results.evict_fault(request.photo)
        copies = await purge_caches(settings, found, request.nginx_cache, really=yes)
    _show(purged, results, copies, yes=yes, as_json=as_json)
    return int(not (any(each.previews for each in purged) or no_match(request.prefix, "preview")))


async def _purged(previews: Inventory, found: Sequence[Target], *, really: bool) -> list[PurgeCount]:
    done = 0
    with progress("previews") as on_object:

        def count() -> None:
            nonlocal done
            done += 1
            on_object()

        try:
            return [await delete(previews, each, count, really=really) for each in found]
        except asyncio.CancelledError:
            what = "deleted so far, and no cached results" if really else "counted so far"
            print_warning(f"interrupted: {done} previews {what}; run it again")
            raise


def _show(purged: Sequence[PurgeCount], results: int | None, copies: CachedCopies, *, yes: bool, as_json: bool) -> None:
    if as_json:
        print_json(asdict(Purged(not yes, purged, results, copies.nginx, copies.cloudfront)))
        return
    rows = [asdict(each) for each in purged]
    print_table(rows)
    previews, size = sum(each.previews for each in purged), sum(each.bytes for each in purged)
    what = f"{previews} previews ({readable_size(size)}) and {results or 0} cached results"
    print_line(f"{what} deleted" if yes else f"dry run: {what} would be deleted; --yes deletes them")
    if results is None:
        print_line("no Redis is configured: each process keeps its own cached results until it restarts")
    if copies.nginx is not None:
        print_line(f"{copies.nginx} copies in nginx's cache {'deleted' if yes else 'would be deleted'}")
    if copies.cloudfront is not None:
        cost = f"{FREE_PATHS} a month are free, then {PATH_USD} USD each"
        done = "CloudFront invalidates" if yes else "CloudFront would invalidate"
        print_line(f"{done} {len(copies.cloudfront)} paths ({cost}): {', '.join(copies.cloudfront)}")
