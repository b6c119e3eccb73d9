"""Finds stale previews, and on demand repairs them while the site runs.

A changed preview is rendered again and replaces the old one, which is served until then; a preview whose photo is gone
is deleted. Repairs go through flights, so that concurrent commands render nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple

from prewmanager.commands.arguments import Selection
from prewmanager.commands.caches import Changed, purge_all
from prewmanager.commands.concurrency import for_each
from prewmanager.commands.dropped import dropped_presets
from prewmanager.commands.freshness import Stale, why_stale
from prewmanager.commands.listings import Listings, Order, Pair, in_listing_order
from prewmanager.commands.output import (
    INTERRUPTED,
    Listing,
    no_match,
    print_json_line,
    print_line,
    print_table,
    progress,
)
from prewmanager.commands.rendering import Done, RenderCounter, RenderReport, addressable
from prewmanager.commands.repair import Repairer, open_repairer
from prewmanager.commands.site import Buckets, catalogue_of, listings_of, object_reader, open_buckets
from prewmanager.config.purges import needs_tags
from prewmanager.config.settings import Settings
from prewmanager.errors import StorageFailed
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.outcome import Failure
from prewmanager.previews.ports import ObjectReader
from prewmanager.resizers import require_workers
from prewmanager_presets import Effort


@dataclass(frozen=True, slots=True)
class PresetCount:
    """One preset's previews, and how many of them are stale for which reason.

    `untagged`: without cache tags, where a cache in front knows no other name; `unusable`: no request can name them.
    """

    preset: str
    previews: int
    preset_changed: int
    photo_changed: int
    photo_gone: int
    untagged: int
    unusable: int


@dataclass(frozen=True, slots=True)
class StalePreview:
    """A preview that is not what it would be if it were rendered now."""

    type: Literal["stale"] = field(default="stale", init=False)
    key: str
    reason: Stale


@dataclass(frozen=True, slots=True)
class StaleSummary:
    """The last line: previews by preset, how many are left stale, and repairs by outcome; `fix` repeats the option.

    `dropped` are presets that have previews and are not configured; they are looked for where no preset is named.
    """

    type: Literal["summary"] = field(default="summary", init=False)
    fix: bool
    interrupted: bool
    presets: Sequence[PresetCount]
    left: int
    done: Mapping[str, int]
    failed: Mapping[str, int]
    dropped: Sequence[str]


@dataclass(frozen=True, slots=True)
class StaleReport:
    """The counts of all presets, how many previews remain stale, and the outcomes of repairs.

    `dropped` are presets that have previews and are not configured.
    """

    presets: Sequence[PresetCount]
    left: int
    repairs: RenderReport
    dropped: Sequence[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The check of one preview: why it is stale, None if it is fresh, and the outcome of its repair, None without one.

    `left`: it still needs attention.
    """

    stale: Stale | None
    repair: Done | Failure | None = None
    left: bool = False

    @property
    def is_repaired(self) -> bool:
        """Whether another preview is stored now, or none."""
        return self.repair is not None and not isinstance(self.repair, Failure)


class StaleCounter:
    """Counts verdicts, and lists stale previews and repairs that failed."""

    def __init__(self, presets: Sequence[str], listing: Listing, dropped: Sequence[str]) -> None:
        self._presets = presets
        self._dropped = dropped
        self._reasons = Counter[tuple[str, str]]()
        self._listing = listing
        self._left = 0
        self._repairs = RenderCounter(listing)

    def add(self, preset: str, key: str, verdict: Verdict | None) -> None:
        """Count the verdict on the preview with this key; None means that no request can name it."""
        self._reasons[preset, "previews"] += 1
        if verdict is None:
            self._reasons[preset, "unusable"] += 1
            return
        if verdict.stale is not None:
            self._reasons[preset, verdict.stale.value] += 1
            self._listing.add(StalePreview(key, verdict.stale))
        if verdict.repair is not None:
            self._repairs.add(key, verdict.repair)
        self._left += verdict.left

    def report(self) -> StaleReport:
        """Return the counts so far."""
        names = ("previews", *Stale, "unusable")
        counts = [PresetCount(each, **{name: self._reasons[each, name] for name in names}) for each in self._presets]
        return StaleReport(counts, self._left, self._repairs.report(), self._dropped)


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks single previews, and repairs the stale ones if there is a repairer."""

    catalogue: Catalogue
    previews: ObjectReader
    repairer: Repairer | None
    tags: bool

    async def check(self, preset: str, pair: Pair) -> Verdict | None:
        """Check one preset's preview; None if no request can name it. Raises `FlightStoreUnavailable`."""
        preview = addressable(self.catalogue, preset, pair.name)
        if preview is None:
            return None
        stale = None
        try:
            stale = await why_stale(pair, preview.preset, self.previews, tags=self.tags)
            if stale is None or self.repairer is None:
                return Verdict(stale, left=stale is not None)
            outcome = await self.repairer.repair(preview, stale)
        except StorageFailed as error:
            outcome = Failure.of(error)
        return Verdict(stale, outcome, left=isinstance(outcome, Failure))


async def with_preview(listings: Listings, prefix: str, order: Order) -> AsyncIterator[tuple[Pair, str]]:
    """Yield the pairs that have a preview, and its key. Raises `StorageFailed`."""
    async for pair in listings.pairs(prefix, order):
        if pair.preview is not None:
            yield pair, pair.preview.key


class CountedPreset(NamedTuple):
    """A preset, the number of its previews, and its listings with their order."""

    name: str
    previews: int
    listings: Listings
    order: Order


async def count(settings: Settings, buckets: Buckets, presets: Sequence[str], prefix: str) -> list[CountedPreset]:
    """Count each preset's previews, and determine the order of its listings. Raises `StorageFailed`."""
    counted = []
    with progress("previews") as on_item:
        for name in presets:
            listings = listings_of(settings, buckets, name)

            async def length(order: Order, listings: Listings = listings) -> int:
                found = 0
                async for _ in with_preview(listings, prefix, order):
                    found += 1
                    on_item()
                return found

            previews, order = await in_listing_order(length)
            counted.append(CountedPreset(name, previews, listings, order))
    return counted


async def check_all(
    checker: Checker,
    counted: Sequence[CountedPreset],
    prefix: str,
    at_once: int,
    counter: StaleCounter,
    *,
    changed: Changed,
) -> None:
    """Check and count all previews, `at_once` at a time, and note which are repaired.

    Raises `StorageFailed`, `FlightStoreUnavailable`.
    """
    with progress("previews", sum(each.previews for each in counted)) as on_item:
        for name, _, listings, order in counted:

            async def check(item: tuple[Pair, str], name: str = name) -> None:
                pair, key = item
                verdict = await checker.check(name, pair)
                counter.add(name, key, verdict)
                if verdict is not None and verdict.is_repaired:
                    changed.add(name, key)
                on_item()

            await for_each(with_preview(listings, prefix, order), check, at_once=at_once)


async def run(
    settings: Settings, selection: Selection, *, fix: bool, concurrency: int, effort: Effort, as_json: bool
) -> int:
    """Run the command and return its exit code, 1 if stale previews are left, or the prefix matches nothing.

    What was done is printed, too, where it is interrupted. Caches are purged in either case. Raises
    `InvalidSettings`, `StorageFailed`, `CacheUnavailable`.
    """
    names = selection.variants(settings)
    listing = Listing(as_json=as_json)
    if fix:
        require_workers(settings)
    async with AsyncExitStack() as stack:
        buckets = await stack.enter_async_context(open_buckets(settings))
        seeks = not (selection.presets or selection.prefix)
        known = settings.preview_prefix, settings.variants
        dropped = await dropped_presets(buckets.previews, *known) if seeks else []
        counter = StaleCounter(names, listing, dropped)
        counted = await count(settings, buckets, names, selection.prefix)
        opened = open_repairer(settings, buckets, concurrency, effort)
        repairer = await stack.enter_async_context(opened) if fix else None
        previews = object_reader(settings, settings.preview_bucket_name)
        checker = Checker(catalogue_of(settings), previews, repairer, needs_tags(settings))
        changed = Changed(checker.catalogue)
        try:
            await check_all(checker, counted, selection.prefix, concurrency, counter, changed=changed)
        except asyncio.CancelledError:
            _show(counter.report(), listing, fix=fix, as_json=as_json, interrupted=True)
            raise
        finally:
            await purge_all(settings, changed.copies())
    report = counter.report()
    _show(report, listing, fix=fix, as_json=as_json)
    matched = any(each.previews for each in counted) or no_match(selection.prefix, "preview")
    return 0 if matched and not report.left else 1


def _show(report: StaleReport, listing: Listing, *, fix: bool, as_json: bool, interrupted: bool = False) -> None:
    if as_json:
        repairs = report.repairs
        counts = report.presets, report.left, repairs.done, repairs.failed, report.dropped
        summary = StaleSummary(fix, interrupted, *counts)
        print_json_line(asdict(summary))
        return
    rows = [asdict(each) for each in report.presets]
    if interrupted:
        print_line(INTERRUPTED)
    print_table(rows)
    if fix:
        print_line(report.repairs.summary() or "nothing to repair")
    elif report.left:
        print_line(f"{report.left} previews are stale; --fix renders them again, and deletes those without a photo")
    if report.dropped:
        names = ", ".join(report.dropped)
        print_line(f"{names}: previews are stored and served, but no such preset is configured; see purge --orphans")
    listing.print_first()
