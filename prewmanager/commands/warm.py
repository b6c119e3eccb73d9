"""Renders missing previews: merges the listings of photos and previews, and runs a flight for each gap.

The flights share the service's flight store, so that nothing is rendered twice beside a running site or another `warm`.
Stored previews are skipped, so an interrupted `warm` resumes where it stopped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple

from prewmanager.app import running_service
from prewmanager.commands.arguments import LIST_REQUEST_USD, CostAssumptions, Selection
from prewmanager.commands.concurrency import for_each
from prewmanager.commands.listings import Order, in_listing_order
from prewmanager.commands.output import (
    INTERRUPTED,
    Listing,
    OnItem,
    no_match,
    print_json_line,
    print_line,
    print_table,
    progress,
)
from prewmanager.commands.pictures import is_folder, is_no_picture
from prewmanager.commands.rendering import RenderCounter, Renderer, RenderReport, addressable
from prewmanager.commands.site import (
    Buckets,
    catalogue_of,
    listings_of,
    object_reader,
    open_buckets,
    settings_for_rendering,
)
from prewmanager.config.settings import Settings
from prewmanager.previews.catalogue import Preview
from prewmanager.resizers import require_workers
from prewmanager_presets import Effort

_MB_IN_GB = 1024
State = Literal["stored", "unusable", "skipped"]
"""Why a photo's preview is not rendered; a skipped one is no photo."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """The numbers of one preset's photos: all, with their preview stored or missing, and those no request can name.

    `skipped` objects are no pictures, by name and content type, and not among the photos.
    """

    preset: str
    photos: int
    stored: int
    missing: int
    unusable: int
    skipped: int


class CountedPreset(NamedTuple):
    """The gaps of one preset, and the order of its listings."""

    gaps: Gaps
    order: Order


@dataclass(frozen=True, slots=True)
class Warmer:
    """Counts and renders the missing previews of some presets."""

    settings: Settings
    buckets: Buckets
    presets: Sequence[str]
    prefix: str
    effort: Effort

    async def count(self) -> list[CountedPreset]:
        """Count each preset's gaps, without rendering anything. Raises `StorageFailed`."""
        with progress("photos listed") as on_item:
            return [await self._count(preset, on_item) for preset in self.presets]

    async def render(self, counted: Sequence[CountedPreset], at_once: int, counter: RenderCounter) -> None:
        """Render and count what is missing, `at_once` previews at a time. Raises `StorageFailed`."""
        async with running_service(settings_for_rendering(self.settings, at_once), effort=self.effort) as service:
            renderer = Renderer(service.coalescer, self.settings.transient_ttl)
            with progress("previews", sum(each.gaps.missing for each in counted)) as on_item:

                async def render(preview: Preview) -> None:
                    counter.add(preview.preview_key, await renderer.render(preview))
                    on_item()

                for each in counted:
                    await for_each(self._missing(each.gaps.preset, each.order), render, at_once=at_once)

    async def _count(self, preset: str, on_item: OnItem) -> CountedPreset:
        async def count(order: Order) -> Gaps:
            counts = Counter[str]()
            async for found in self._photos(preset, order):
                on_item()
                counts[found if isinstance(found, str) else "missing"] += 1
            photos = counts.total() - counts["skipped"]
            return Gaps(preset, photos, counts["stored"], counts["missing"], counts["unusable"], counts["skipped"])

        return CountedPreset(*await in_listing_order(count))

    async def _missing(self, preset: str, order: Order) -> AsyncIterator[Preview]:
        async for found in self._photos(preset, order):
            if isinstance(found, Preview):
                yield found

    async def _photos(self, preset: str, order: Order) -> AsyncIterator[Preview | State]:
        """Yield for each photo its missing preview, or why there is none to render."""
        catalogue = catalogue_of(self.settings)
        photos = object_reader(self.settings, self.settings.source_bucket)
        async for pair in listings_of(self.settings, self.buckets, preset).pairs(self.prefix, order):
            if pair.photo is None or is_folder(pair.photo):
                continue
            if pair.preview:
                yield "stored"
            elif await is_no_picture(pair.photo, photos):
                yield "skipped"
            else:
                yield addressable(catalogue, preset, pair.name) or "unusable"


async def run(
    settings: Settings,
    selection: Selection,
    *,
    concurrency: int,
    effort: Effort,
    dry_run: bool,
    assumed: CostAssumptions,
    as_json: bool,
) -> int:
    """Run the command and return its exit code, 1 if a preview could not be rendered, or the prefix matches nothing.

    What was done is printed, too, where it is interrupted. Raises `InvalidSettings`, `StorageFailed`.
    """
    if not dry_run:
        require_workers(settings)
    listing = Listing(as_json=as_json)
    counter = RenderCounter(listing)
    async with open_buckets(settings) as buckets:
        warmer = Warmer(settings, buckets, selection.variants(settings), selection.prefix, effort)
        counted = await warmer.count()
        gaps = [each.gaps for each in counted]
        try:
            if not dry_run:
                await warmer.render(counted, concurrency, counter)
        except asyncio.CancelledError:
            _show(gaps, counter.report(), None, listing, as_json=as_json, interrupted=True)
            raise
    expected = estimate(sum(each.missing for each in gaps), assumed) if dry_run else None
    _show(gaps, counter.report(), expected, listing, as_json=as_json)
    matched = any(each.photos or each.skipped for each in gaps) or no_match(selection.prefix, "photo")
    return 0 if matched and not counter.report().failed else 1


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What resizes cost in Lambda, and the assumptions; requests to S3 are not included."""

    resizes: int
    seconds_per_resize: float
    memory_mb: int
    gb_second_usd: float
    gb_seconds: float
    usd: float


@dataclass(frozen=True, slots=True)
class WarmSummary:
    """The last line: photos by preset, and previews by outcome; `estimate` of a dry run."""

    type: Literal["summary"] = field(default="summary", init=False)
    dry_run: bool
    interrupted: bool
    presets: Sequence[Gaps]
    done: Mapping[str, int]
    failed: Mapping[str, int]
    estimate: CostEstimate | None


def estimate(resizes: int, assumed: CostAssumptions) -> CostEstimate:
    """Estimate the cost of this many resizes."""
    gb_seconds = resizes * assumed.seconds * assumed.memory_mb / _MB_IN_GB
    usd = gb_seconds * assumed.gb_second_usd + resizes * LIST_REQUEST_USD
    return CostEstimate(
        resizes=resizes,
        seconds_per_resize=assumed.seconds,
        memory_mb=assumed.memory_mb,
        gb_second_usd=assumed.gb_second_usd,
        gb_seconds=round(gb_seconds, 1),
        usd=round(usd, 4),
    )


def _show(
    gaps: Sequence[Gaps],
    report: RenderReport,
    expected: CostEstimate | None,
    listing: Listing,
    *,
    as_json: bool,
    interrupted: bool = False,
) -> None:
    if as_json:
        is_dry_run = expected is not None
        summary = WarmSummary(is_dry_run, interrupted, gaps, report.done, report.failed, expected)
        print_json_line(asdict(summary))
        return
    rows = [asdict(each) for each in gaps]
    if interrupted:
        print_line(INTERRUPTED)
    print_table(rows)
    if expected:
        print_line(
            f"dry run: {expected.resizes} previews would be rendered, for about {expected.usd:.2f} US dollars "
            f"({expected.seconds_per_resize:g} s each at {expected.memory_mb} MB and {expected.gb_second_usd:g} "
            "for a GB-second)"
        )
    else:
        print_line(report.summary() or "nothing to render")
    listing.print_first()
