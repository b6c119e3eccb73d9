"""Deletes previews, their results in Redis, and their copies in caches.

The objects are deleted before the cached results: the other way round, a flight in between could find an object that is
about to be deleted, and its result would be cached. Caches come last, for the same reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from prewmanager.commands.arguments import Target
from prewmanager.commands.caches import FREE_PATHS, PATH_USD, CachedCopies, purge_caches
from prewmanager.commands.deleting import Deleted, delete_former, delete_listed, delete_of_missing_photos
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
from prewmanager.commands.purge_targets import PurgeRequest, require_photos, settings_of, targets
from prewmanager.commands.site import Buckets, listings_of, object_reader, open_buckets, open_result_cache
from prewmanager.config.settings import Settings

Reason = Literal["named", "dropped", "photo_gone", "former_prefix"]


@dataclass(frozen=True, slots=True)
class PurgeCount:
    """The previews of one preset that were deleted, or in a dry run would be, and why.

    `kept` objects below a former prefix are no previews by their metadata.
    """

    preset: str
    previews: int
    bytes: int
    reason: Reason = "named"
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Purged:
    """What was deleted, or in a dry run would be.

    None stands for what there is not: `cached_results` without Redis, `nginx` without --nginx-cache, and `cloudfront`,
    the invalidated paths, without a distribution. `caches` are the caches of PREW_PURGES.
    """

    dry_run: bool
    presets: Sequence[PurgeCount]
    cached_results: int | None
    nginx: int | None
    cloudfront: Sequence[str] | None
    caches: Sequence[str] = ()


async def run(settings: Settings, request: PurgeRequest, *, yes: bool, as_json: bool) -> int:
    """Run the command and return its exit code, 1 if the prefix matches nothing, or an object is no preview.

    Where it is interrupted, the number of previews is printed. Raises `InvalidSettings`, `StorageFailed`,
    `FlightStoreUnavailable`, `CacheUnavailable`.
    """
    root = await settings_of(request, settings)
    async with open_buckets(root) as buckets, open_result_cache(root) as cached_results:
        found = await targets(root, request, buckets.previews)
        if request.seeks_missing_photos:
            await require_photos(root, buckets.photos)
        purged = await Purger(root, request, buckets, yes).purge(found)
        results = None
        if cached_results is not None:
            evict_or_count = cached_results.evict if yes else cached_results.count
            results = await evict_or_count(lambda key: any(each.has(key) for each in found))
            if yes and request.photo:
                await cached_results.evict_fault(request.photo)
        copies = await purge_caches(root, [*found, *_gone(root, request, purged)], request.nginx_cache, really=yes)
    _show(purged, results, copies, yes=yes, as_json=as_json)
    matched = any(each.previews for each in purged) or no_match(request.prefix, "preview")
    return int(not matched or any(each.kept for each in purged))


@dataclass(frozen=True, slots=True)
class Purger:
    """Deletes previews, or without `really` only counts them."""

    settings: Settings
    request: PurgeRequest
    buckets: Buckets
    really: bool

    async def purge(self, found: Sequence[Target]) -> list[PurgeCount]:
        """Delete these targets' previews, and where the request says so those of missing photos.

        Raises `StorageFailed`.
        """
        done = 0
        with progress("previews") as on_object:

            def count() -> None:
                nonlocal done
                done += 1
                on_object()

            try:
                purged = [await self._target(each, count) for each in found]
                if self.request.seeks_missing_photos:
                    purged += [await self._of_missing_photos(each, count) for each in self.settings.variants]
            except asyncio.CancelledError:
                what = "deleted so far, and no cached results" if self.really else "counted so far"
                print_warning(f"interrupted: {done} previews {what}; run it again")
                raise
        # A server that keeps folders lists empty ones, too.
        return [each for each in purged if each.previews or each.kept or each.reason == "named"]

    async def _target(self, target: Target, count: OnItem) -> PurgeCount:
        if self.request.former_prefix:
            reader = object_reader(self.settings, self.settings.preview_bucket_name)
            former = await delete_former(self.buckets.previews, target, reader, count, really=self.really)
            return _counted(target.preset, former, "former_prefix")
        deleted = await delete_listed(self.buckets.previews, target, count, really=self.really)
        return _counted(target.preset, deleted, "named" if target.preset in self.settings.variants else "dropped")

    async def _of_missing_photos(self, preset: str, count: OnItem) -> PurgeCount:
        listings = listings_of(self.settings, self.buckets, preset)
        photos = object_reader(self.settings, self.settings.source_bucket)
        gone = await delete_of_missing_photos(listings, self.request.prefix, photos, count, really=self.really)
        return _counted(preset, gone, "photo_gone")


def _counted(preset: str, deleted: Deleted, reason: Reason) -> PurgeCount:
    # A photo that is back is nothing to report.
    kept = deleted.kept if reason == "former_prefix" else 0
    return PurgeCount(preset, deleted.objects, deleted.bytes, reason, kept)


def _gone(settings: Settings, request: PurgeRequest, purged: Sequence[PurgeCount]) -> list[Target]:
    """Return the presets that have lost previews of missing photos, as far as the request goes."""
    presets = [each.preset for each in purged if each.reason == "photo_gone" and each.previews]
    return [Target(each, f"{settings.preview_prefix}/{each}/{request.prefix}", exact=False) for each in presets]


def _show(purged: Sequence[PurgeCount], results: int | None, copies: CachedCopies, *, yes: bool, as_json: bool) -> None:
    if as_json:
        print_json(asdict(Purged(not yes, purged, results, copies.nginx, copies.cloudfront, copies.purged)))
        return
    rows = [asdict(each) for each in purged]
    print_table(rows)
    previews, size = sum(each.previews for each in purged), sum(each.bytes for each in purged)
    what = f"{previews} previews ({readable_size(size)}) and {results or 0} cached results"
    print_line(f"{what} deleted" if yes else f"dry run: {what} would be deleted; --yes deletes them")
    kept = sum(each.kept for each in purged)
    if kept:
        print_line(f"{kept} objects stay: their metadata has no preset-fingerprint, so they may be anything")
    if results is None:
        print_line("no Redis is configured: each process keeps its own cached results until it restarts")
    if copies.nginx is not None:
        print_line(f"{copies.nginx} copies in nginx's cache {'deleted' if yes else 'would be deleted'}")
    if copies.cloudfront is not None:
        cost = f"{FREE_PATHS} a month are free, then {PATH_USD} USD each"
        done = "CloudFront invalidates" if yes else "CloudFront would invalidate"
        print_line(f"{done} {len(copies.cloudfront)} paths ({cost}): {', '.join(copies.cloudfront)}")
    if copies.purged:
        print_line(f"{'purged' if yes else 'would purge'}: {', '.join(copies.purged)}")
