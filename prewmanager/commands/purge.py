"""Deletes previews, what Redis remembers of them, and the copies of them in caches.

First the objects, then the outcomes: the other way round, a flight in between could find an object that is about to
go, and have it remembered. Caches come last, for the same reason.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.filesize import decimal

from prewmanager.commands.arguments import Target, with_variants
from prewmanager.commands.caches import FREE_PATHS, PATH_USD, CachedCopies, purge_caches
from prewmanager.commands.output import OnOne, print_json, print_table, progress, say
from prewmanager.commands.site import open_buckets, open_result_cache
from prewmanager.config.settings import Settings
from prewmanager.errors import InvalidSettings
from prewmanager.previews.inventory import StoredObject
from prewmanager.previews.ports import Inventory

_BATCH = 1000  # keys that are held at once; S3 deletes as many in one request


@dataclass(frozen=True, slots=True)
class PurgeRequest:
    """What the command line asks for; `photo` is a whole key, `prefix` begins the names of photos.

    A preset's variants go with it unless `exact`.
    """

    presets: tuple[str, ...]
    prefix: str
    photo: str
    orphans: bool
    exact: bool = False
    nginx_cache: Path | None = None


@dataclass(slots=True)
class PurgeCount:
    """Previews of one preset that were deleted, or in a dry run would be."""

    preset: str
    previews: int = 0
    bytes: int = 0


async def targets(settings: Settings, asked: PurgeRequest, previews: Inventory) -> list[Target]:
    """What is to be deleted, always under the previews' prefix.

    Raises `InvalidSettings` for a call that makes no sense, `StorageFailed`.
    """
    if not (asked.presets or asked.photo or asked.orphans):
        raise InvalidSettings(["purge: name presets, or a photo with --photo, or give --orphans"])
    if asked.photo and asked.prefix:
        raise InvalidSettings(["purge: --photo names one photo; leave --prefix out"])
    name = asked.prefix
    if asked.photo:
        start = f"{settings.source_prefix}/"
        name = asked.photo.removeprefix(start)
        if name == asked.photo or not name:
            raise InvalidSettings([f"--photo {asked.photo}: a photo's key begins with {start} and goes on"])
    root = settings.preview_prefix
    return [
        Target(preset, f"{root}/{preset}/{name}", exact=bool(asked.photo))
        for preset in await _presets(settings, asked, previews)
    ]


async def _presets(settings: Settings, asked: PurgeRequest, previews: Inventory) -> list[str]:
    """Names from the settings, and with --orphans from the bucket: no other can become part of a key."""
    stored = [name async for name in previews.folders(f"{settings.preview_prefix}/") if name] if asked.orphans else []
    known = [*settings.variants, *(name for name in stored if name not in settings.variants)]
    unknown = [name for name in asked.presets if name not in known]
    if unknown:
        where = "neither in the settings nor in the bucket" if asked.orphans else "not in the settings; see --orphans"
        raise InvalidSettings([f"{name!r}: {where}" for name in unknown])
    if asked.presets:
        return with_variants(settings, asked.presets, exact=asked.exact)
    return known if asked.photo else known[len(settings.variants) :]


async def delete(previews: Inventory, target: Target, on_object: OnOne, *, really: bool) -> PurgeCount:
    """Delete one target's previews, or only count them. Raises `StorageFailed`."""
    purged = PurgeCount(target.preset)
    async for batch in _batches(previews, target):
        if really:
            await previews.delete([each.key for each in batch])
        purged.previews += len(batch)
        purged.bytes += sum(each.size for each in batch)
        for _ in batch:
            on_object()
    return purged


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


async def run(settings: Settings, asked: PurgeRequest, *, yes: bool, as_json: bool) -> int:
    """The command: its exit code, 0.

    Raises `InvalidSettings`, `StorageFailed`, `FlightStoreUnavailable`, `CacheUnavailable`.
    """
    async with open_buckets(settings) as buckets, open_result_cache(settings) as cached_results:
        found = await targets(settings, asked, buckets.previews)
        with progress("previews") as on_object:
            purged = [await delete(buckets.previews, each, on_object, really=yes) for each in found]
        results = None
        if cached_results is not None:
            act = cached_results.evict if yes else cached_results.count
            results = await act(lambda key: any(each.has(key) for each in found))
        cached = await purge_caches(settings, found, asked.nginx_cache, really=yes)
    _show(purged, results, cached, yes=yes, as_json=as_json)
    return 0


def _show(purged: Sequence[PurgeCount], results: int | None, cached: CachedCopies, *, yes: bool, as_json: bool) -> None:
    rows = [asdict(each) for each in purged]
    if as_json:
        caches = {name: each for name, each in asdict(cached).items() if each is not None}
        print_json({"dry_run": not yes, "presets": rows, "remembered": results, **caches})
        return
    print_table(rows)
    previews, size = sum(each.previews for each in purged), sum(each.bytes for each in purged)
    what = f"{previews} previews ({decimal(size)}) and {results or 0} remembered results"
    say(f"{what} deleted" if yes else f"dry run: {what} would be deleted; --yes deletes them")
    if results is None:
        say("no Redis is configured: each process remembers for itself, and forgets when it is restarted")
    if cached.nginx is not None:
        say(f"{cached.nginx} copies in nginx's cache {'deleted' if yes else 'would be deleted'}")
    if cached.cloudfront is not None:
        cost = f"{FREE_PATHS} a month are free, then {PATH_USD} USD each"
        done = "CloudFront invalidates" if yes else "CloudFront would invalidate"
        say(f"{done} {len(cached.cloudfront)} paths ({cost}): {', '.join(cached.cloudfront)}")
