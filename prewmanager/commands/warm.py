"""Renders missing previews: merges the listings of photos and previews, and runs a flight for each gap.

The flights share the service's flight store, so that nothing is rendered twice beside a running site or another `warm`.
Stored previews are skipped, so an interrupted `warm` resumes where it stopped.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass

from prewmanager.app import running_service
from prewmanager.commands.arguments import LIST_REQUEST_USD, CostAssumptions, Selection
from prewmanager.commands.concurrency import for_each
from prewmanager.commands.listings import Folders, Order, in_listing_order
from prewmanager.commands.output import OnOne, print_json, print_table, progress, say
from prewmanager.commands.rendering import Renderer, RenderReport, addressable
from prewmanager.commands.site import Buckets, catalogue, folders, light, open_buckets
from prewmanager.config.settings import Settings
from prewmanager.previews.catalogue import Catalogue, Preview

_MB_IN_GB = 1024


@dataclass(slots=True)
class Gaps:
    """One preset's photos: with a preview (`there`), without one, and those that no URI can name."""

    preset: str
    photos: int = 0
    there: int = 0
    missing: int = 0
    unusable: int = 0


async def gaps(found: Folders, known: Catalogue, preset: str, prefix: str, on_item: OnOne, order: Order) -> Gaps:  # noqa: PLR0917 -- what, where, how
    """Count without rendering anything. Raises `StorageFailed`."""
    counted = Gaps(preset)
    async for pair in found.pairs(prefix, order):
        if pair.photo is None:
            continue
        on_item()
        counted.photos += 1
        if pair.preview is not None:
            counted.there += 1
        elif addressable(known, preset, pair.name) is None:
            counted.unusable += 1
        else:
            counted.missing += 1
    return counted


async def missing(found: Folders, known: Catalogue, preset: str, prefix: str, order: Order) -> AsyncIterator[Preview]:
    """Yield the previews that are not stored. Raises `StorageFailed`."""
    async for pair in found.pairs(prefix, order):
        if pair.photo is not None and pair.preview is None:
            preview = addressable(known, preset, pair.name)
            if preview is not None:
                yield preview


@dataclass(frozen=True, slots=True)
class Warmer:
    """Counts and renders for some presets of one site."""

    settings: Settings
    buckets: Buckets
    presets: Sequence[str]
    prefix: str

    async def count(self) -> list[tuple[Gaps, Order]]:
        """Return each preset's gaps, and the order of its listings."""
        counted = []
        with progress("photos listed") as on_item:
            for name in self.presets:
                found = folders(self.settings, self.buckets, name)

                async def work(order: Order, name: str = name, found: Folders = found) -> Gaps:
                    return await gaps(found, catalogue(self.settings), name, self.prefix, on_item, order)

                counted.append(await in_listing_order(work))
        return counted

    async def make(self, counted: Sequence[tuple[Gaps, Order]], at_once: int) -> RenderReport:
        """Render what is missing, `at_once` at a time."""
        report = RenderReport()
        total = sum(each.missing for each, _ in counted)
        async with running_service(light(self.settings, at_once)) as service:
            renderer = Renderer(service.coalescer, report, self.settings.transient_ttl)
            with progress("previews", total) as on_item:

                async def one(preview: Preview) -> None:
                    await renderer.make(preview)
                    on_item()

                for each, order in counted:
                    found = folders(self.settings, self.buckets, each.preset)
                    todo = missing(found, service.catalogue, each.preset, self.prefix, order)
                    await for_each(todo, one, at_once=at_once)
        return report


async def run(
    settings: Settings,
    named: Selection,
    *,
    concurrency: int,
    dry_run: bool,
    assumed: CostAssumptions,
    as_json: bool,
) -> int:
    """The command: its exit code, 1 where a preview could not be rendered.

    Raises `InvalidSettings`, `StorageFailed`.
    """
    async with open_buckets(settings) as buckets:
        warmer = Warmer(settings, buckets, named.variants(settings), named.prefix)
        counted = await warmer.count()
        report = RenderReport() if dry_run else await warmer.make(counted, concurrency)
    _show([each for each, _ in counted], report, assumed, dry_run=dry_run, as_json=as_json)
    return 1 if report.failed else 0


def estimate(resizes: int, assumed: CostAssumptions) -> dict[str, float]:
    """Estimate GB-seconds and US dollars of so many resizes; requests to S3 come on top."""
    gb_seconds = resizes * assumed.seconds * assumed.memory_mb / _MB_IN_GB
    usd = gb_seconds * assumed.gb_second_usd + resizes * LIST_REQUEST_USD
    return {
        "resizes": resizes,
        "seconds_per_resize": assumed.seconds,
        "memory_mb": assumed.memory_mb,
        "gb_second_usd": assumed.gb_second_usd,
        "gb_seconds": round(gb_seconds, 1),
        "usd": round(usd, 4),
    }


def _show(
    counted: Sequence[Gaps], report: RenderReport, assumed: CostAssumptions, *, dry_run: bool, as_json: bool
) -> None:
    rows = [asdict(each) for each in counted]
    expected = estimate(sum(each.missing for each in counted), assumed) if dry_run else None
    done, failed = dict(report.done), dict(report.failed)
    if as_json:
        output = {"dry_run": dry_run, "presets": rows, "done": done, "failed": failed, "failures": report.failures}
        print_json(output | ({"estimate": expected} if expected else {}))
        return
    print_table(rows)
    if expected:
        say(
            f"dry run: {expected['resizes']} previews would be rendered, for about {expected['usd']:.2f} US dollars "
            f"({assumed.seconds:g} s each at {assumed.memory_mb} MB and {assumed.gb_second_usd:g} for a GB-second)"
        )
    else:
        say(", ".join(f"{count} {how}" for how, count in (done | failed).items()) or "nothing to render")
    print_table(report.failures[:20])
