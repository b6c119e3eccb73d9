"""The caches in front, as commands tell them: those of PREW_PURGES, and an nginx's folder on this machine."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prewmanager.adapters.nginx_cache import NginxCache
from prewmanager.commands.arguments import Target
from prewmanager.commands.site import catalogue_of
from prewmanager.config.purges import caches_of
from prewmanager.config.settings import Settings
from prewmanager.previews.catalogue import Catalogue
from prewmanager.purges import open_purger
from prewmanager.purging.copies import Copies, of_preset, of_preview, together

# https://aws.amazon.com/cloudfront/pricing/: the paths that are free each month, and the price of each further one.
FREE_PATHS = 1000
PATH_USD = 0.005
MOST_NAMED = 500  # previews of a preset: above, caches forget the whole preset


@dataclass(frozen=True, slots=True)
class CachedCopies:
    """The number of copies in nginx's folder, and CloudFront's paths; None for a cache that is not in use.

    `purged` are the caches of PREW_PURGES, or in a dry run those that would be purged.
    """

    nginx: int | None
    cloudfront: list[str] | None
    purged: list[str]


class NoObserver:
    """A `PurgeObserver` of a command, whose outcome is its exit code."""

    def expect(self, caches: object) -> None:
        """Do nothing."""

    def purged(self, cache: str, copies: Copies, error: str | None) -> None:
        """Do nothing: what fails is raised."""


async def purge_caches(
    settings: Settings, targets: Sequence[Target], nginx_cache: Path | None, *, really: bool
) -> CachedCopies:
    """Delete the caches' copies of these previews, or only count them. Raises `CacheUnavailable`.

    nginx comes first: CDNs fetch from it.
    """
    copies = None
    if nginx_cache is not None:
        cache = NginxCache(nginx_cache)
        purge_or_count = cache.purge if really else cache.count
        # The key in nginx's cache begins with the bucket, in path style.
        buckets = {"", settings.preview_bucket_name}
        copies = await asyncio.to_thread(
            purge_or_count, lambda key: any(_is_copy(key, buckets, each) for each in targets)
        )
    catalogue, named = catalogue_of(settings), caches_of(settings.purges or "")
    wanted = together(_copies_of(catalogue, each) for each in targets)
    if really:
        await purge_all(settings, wanted)
    paths = list(wanted.paths) if any(each.kind == "cloudfront" for each in named) else None
    return CachedCopies(copies, paths, [":".join(each) for each in named])


async def purge_all(settings: Settings, copies: Copies) -> None:
    """Have the caches of PREW_PURGES forget these. Raises `CacheUnavailable`."""
    if settings.purges and copies != Copies():
        async with open_purger(settings, NoObserver()) as purger:
            await purger.purge(copies)


def _is_copy(key: str, buckets: set[str], target: Target) -> bool:
    bucket, _, rest = key.removeprefix("/").partition("/")
    return target.has(rest if bucket in buckets else key.removeprefix("/"))


def _copies_of(catalogue: Catalogue, target: Target) -> Copies:
    if target.exact:
        return of_preview(catalogue, target.start)
    _, preset, name = target.start.split("/", 2)
    return of_preset(catalogue, preset, name)


class Changed:
    """Collects the previews that a command has replaced or deleted; of many of one preset, the preset."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._by_preset: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, preset: str, key: str) -> None:
        """Note a preview by its key."""
        keys = self._by_preset[preset]
        if len(keys) <= MOST_NAMED:
            keys.add(key)

    def copies(self) -> Copies:
        """Return the copies of all that was noted."""
        found = []
        for preset, keys in self._by_preset.items():
            if len(keys) > MOST_NAMED:
                found.append(of_preset(self._catalogue, preset))
            else:
                found += [of_preview(self._catalogue, key) for key in sorted(keys)]
        return together(found)
