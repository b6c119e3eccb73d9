"""Previews that are out of date: found, and on demand brought in line while the site runs.

What has changed is made anew over the old one, so that at no moment there is none; what has lost its photo is deleted.
It goes through flights, so that two of these commands make nothing twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field

from prewmanager.commands.arguments import Selection
from prewmanager.commands.concurrency import for_each
from prewmanager.commands.freshness import Stale, why_stale
from prewmanager.commands.listings import Folders, Order, Pair, in_listing_order
from prewmanager.commands.output import OnOne, print_json, print_table, progress, say
from prewmanager.commands.rendering import MAX_LISTED, RenderReport, addressable
from prewmanager.commands.repair import Repairer, open_repairer
from prewmanager.commands.site import Buckets, catalogue, folders, object_reader, open_buckets
from prewmanager.config.settings import Settings
from prewmanager.errors import StorageFailed
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.ports import ObjectReader


@dataclass(slots=True)
class Checked:
    """One preset's previews, and how many of them are stale in which way; `unusable`: no URI can name them."""

    preset: str
    previews: int = 0
    preset_changed: int = 0
    photo_newer: int = 0
    photo_gone: int = 0
    unusable: int = 0

    def add(self, stale: Stale) -> None:
        """Count one."""
        setattr(self, stale.value, getattr(self, stale.value) + 1)


@dataclass(slots=True)
class Checker:
    """Looks at the previews of one site, and has the stale ones mended where there is a repairer."""

    settings: Settings
    prefix: str
    buckets: Buckets
    looks: ObjectReader
    repairer: Repairer | None
    account: RenderReport
    listed: list[dict[str, str]] = field(default_factory=list)
    left: int = 0

    async def check(self, preset: str, order: Order, at_once: int, on_item: OnOne) -> Checked:
        """Look at a preset's previews, `at_once` at a time. Raises `StorageFailed`, `FlightStoreUnavailable`."""
        checked, known = Checked(preset), catalogue(self.settings)

        async def one(pair: Pair) -> None:
            await self._one(pair, checked, known)
            on_item()

        pairs = with_preview(folders(self.settings, self.buckets, preset), self.prefix, order)
        await for_each(pairs, one, at_once=at_once)
        return checked

    async def _one(self, pair: Pair, checked: Checked, known: Catalogue) -> None:
        checked.previews += 1
        preview = addressable(known, checked.preset, pair.name)
        if preview is None:
            checked.unusable += 1
            return
        try:
            stale = await why_stale(pair, preview.preset, self.looks)
            if stale is None:
                return
            checked.add(stale)
            if len(self.listed) < MAX_LISTED:
                self.listed.append({"key": preview.preview_key, "reason": stale.value})
            if self.repairer is None or not await self.repairer.repair(preview, stale):
                self.left += 1
        except StorageFailed as error:
            self.account.add_failure(preview.preview_key, error)
            self.left += 1


async def with_preview(found: Folders, prefix: str, order: Order) -> AsyncIterator[Pair]:
    """The pairs that have a preview. Raises `StorageFailed`."""
    async for pair in found.pairs(prefix, order):
        if pair.preview is not None:
            yield pair


async def _orders(settings: Settings, buckets: Buckets, presets: Sequence[str], prefix: str) -> tuple[int, list[Order]]:
    """How many previews there are to look at, and the order in which each preset's listings come."""
    total, orders = 0, []
    with progress("previews") as on_item:
        for name in presets:
            found = folders(settings, buckets, name)

            async def count(order: Order, found: Folders = found) -> int:
                counted = 0
                async for _ in with_preview(found, prefix, order):
                    counted += 1
                    on_item()
                return counted

            counted, order = await in_listing_order(count)
            total += counted
            orders.append(order)
    return total, orders


async def run(settings: Settings, named: Selection, *, fix: bool, concurrency: int, as_json: bool) -> int:
    """The command: its exit code, 1 where stale previews are left.

    Raises `InvalidSettings`, `StorageFailed`, `FlightStoreUnavailable`.
    """
    names, account = named.variants(settings), RenderReport()
    async with AsyncExitStack() as stack:
        buckets = await stack.enter_async_context(open_buckets(settings))
        total, orders = await _orders(settings, buckets, names, named.prefix)
        repairer = (
            await stack.enter_async_context(open_repairer(settings, buckets, account, concurrency)) if fix else None
        )
        looks = object_reader(settings, settings.preview_bucket_name)
        checker = Checker(settings, named.prefix, buckets, looks, repairer, account)
        with progress("previews", total) as on_item:
            checked = [
                await checker.check(name, order, concurrency, on_item)
                for name, order in zip(names, orders, strict=True)
            ]
    _show(checked, checker, fix=fix, as_json=as_json)
    return 1 if checker.left else 0


def _show(checked: Sequence[Checked], checker: Checker, *, fix: bool, as_json: bool) -> None:
    rows = [asdict(each) for each in checked]
    done, failed = dict(checker.account.done), dict(checker.account.failed)
    if as_json:
        said = {"fix": fix, "presets": rows, "stale": checker.listed, "left": checker.left}
        print_json(said | {"done": done, "failed": failed, "failures": checker.account.failures})
        return
    print_table(rows)
    if fix:
        say(", ".join(f"{count} {how}" for how, count in (done | failed).items()) or "nothing to mend")
    elif checker.left:
        say(f"{checker.left} previews are stale; --fix makes them anew, and deletes those whose photo is gone")
    print_table(checker.account.failures[:20])
