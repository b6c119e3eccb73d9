"""Finds stale previews, and on demand repairs them while the site runs.

A changed preview is rendered again and replaces the old one, which is served until then; a preview whose photo is gone
is deleted. Repairs go through flights, so that concurrent commands render nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import NamedTuple

from prewmanager.app import require_workers
from prewmanager.commands.arguments import Selection
from prewmanager.commands.concurrency import for_each
from prewmanager.commands.freshness import Stale, why_stale
from prewmanager.commands.listings import Listings, Order, Pair, in_listing_order
from prewmanager.commands.output import print_json, print_line, print_table, progress
from prewmanager.commands.rendering import MAX_LISTED, Done, RenderCounter, RenderReport, addressable
from prewmanager.commands.repair import Repairer, open_repairer
from prewmanager.commands.site import Buckets, catalogue_of, listings_of, object_reader, open_buckets
from prewmanager.config.settings import Settings
from prewmanager.errors import StorageFailed
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.outcome import Failure
from prewmanager.previews.ports import ObjectReader


@dataclass(frozen=True, slots=True)
class PresetCount:
    """One preset's previews, and how many of them are stale for which reason; `unusable`: no request can name them."""

    preset: str
    previews: int
    preset_changed: int
    photo_changed: int
    photo_gone: int
    unusable: int


@dataclass(frozen=True, slots=True)
class StaleReport:
    """The counts of all presets, the first stale previews, how many remain stale, and the outcomes of repairs."""

    presets: Sequence[PresetCount]
    stale: Sequence[dict[str, str]]
    left: int
    repairs: RenderReport


@dataclass(frozen=True, slots=True)
class Verdict:
    """The check of one preview: why it is stale, None if it is fresh, and the outcome of its repair, None without one.

    `left`: it still needs attention.
    """

    stale: Stale | None
    repair: Done | Failure | None = None
    left: bool = False


class StaleCounter:
    """Counts verdicts, in memory that is bounded."""

    def __init__(self) -> None:
        self._reasons = Counter[tuple[str, str]]()
        self._listed: list[dict[str, str]] = []
        self._left = 0
        self._repairs = RenderCounter()

    def add(self, preset: str, key: str, verdict: Verdict | None) -> None:
        """Count the verdict on the preview with this key; None means that no request can name it."""
        self._reasons[preset, "previews"] += 1
        if verdict is None:
            self._reasons[preset, "unusable"] += 1
            return
        if verdict.stale is not None:
            self._reasons[preset, verdict.stale.value] += 1
            if len(self._listed) < MAX_LISTED:
                self._listed.append({"key": key, "reason": verdict.stale.value})
        if verdict.repair is not None:
            self._repairs.add(key, verdict.repair)
        self._left += verdict.left

    def report(self, presets: Sequence[str]) -> StaleReport:
        """Return the counts so far, of these presets."""
        names = ("previews", *Stale, "unusable")
        counts = [PresetCount(each, **{name: self._reasons[each, name] for name in names}) for each in presets]
        return StaleReport(counts, tuple(self._listed), self._left, self._repairs.report())


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks single previews, and repairs the stale ones if there is a repairer."""

    catalogue: Catalogue
    previews: ObjectReader
    repairer: Repairer | None

    async def check(self, preset: str, pair: Pair) -> Verdict | None:
        """Check one preset's preview; None if no request can name it. Raises `FlightStoreUnavailable`."""
        preview = addressable(self.catalogue, preset, pair.name)
        if preview is None:
            return None
        stale = None
        try:
            stale = await why_stale(pair, preview.preset, self.previews)
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


async def check_all(checker: Checker, counted: Sequence[CountedPreset], prefix: str, at_once: int) -> StaleReport:
    """Check all previews, `at_once` at a time. Raises `StorageFailed`, `FlightStoreUnavailable`."""
    counter = StaleCounter()
    with progress("previews", sum(each.previews for each in counted)) as on_item:
        for name, _, listings, order in counted:

            async def check(item: tuple[Pair, str], name: str = name) -> None:
                pair, key = item
                counter.add(name, key, await checker.check(name, pair))
                on_item()

            await for_each(with_preview(listings, prefix, order), check, at_once=at_once)
    return counter.report([each.name for each in counted])


async def run(settings: Settings, selection: Selection, *, fix: bool, concurrency: int, as_json: bool) -> int:
    """Run the command and return its exit code, 1 if stale previews are left.

    Raises `InvalidSettings`, `StorageFailed`.
    """
    names = selection.variants(settings)
    if fix:
        require_workers(settings)
    async with AsyncExitStack() as stack:
        buckets = await stack.enter_async_context(open_buckets(settings))
        counted = await count(settings, buckets, names, selection.prefix)
        repairer = await stack.enter_async_context(open_repairer(settings, buckets, concurrency)) if fix else None
        previews = object_reader(settings, settings.preview_bucket_name)
        checker = Checker(catalogue_of(settings), previews, repairer)
        report = await check_all(checker, counted, selection.prefix, concurrency)
    _show(report, fix=fix, as_json=as_json)
    return 1 if report.left else 0


def _show(report: StaleReport, *, fix: bool, as_json: bool) -> None:
    rows = [asdict(each) for each in report.presets]
    if as_json:
        found = {"fix": fix, "presets": rows, "stale": report.stale, "left": report.left}
        print_json(found | asdict(report.repairs))
        return
    print_table(rows)
    if fix:
        print_line(report.repairs.summary() or "nothing to repair")
    elif report.left:
        print_line(f"{report.left} previews are stale; --fix renders them again, and deletes those without a photo")
    print_table(report.repairs.failures[:20])
