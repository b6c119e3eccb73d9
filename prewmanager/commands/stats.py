"""What is stored for each preset and variant: the number of previews, their bytes, the oldest and the newest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import asdict, dataclass
from datetime import datetime

from prewmanager.commands.output import OnItem, print_json, print_table, progress
from prewmanager.commands.site import open_buckets
from prewmanager.config.settings import Settings
from prewmanager.previews.ports import Inventory
from prewmanager.web.identity import DOCTOR


@dataclass(slots=True)
class PresetStats:
    """The stored previews of one preset or variant.

    `known` says whether the settings have it; `oldest` and `newest` are in UTC.
    """

    preset: str
    known: bool
    count: int = 0
    bytes: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    def add(self, size: int, modified: datetime) -> None:
        """Count one preview of `size` bytes."""
        self.count += 1
        self.bytes += size
        self.oldest = modified if self.oldest is None else min(self.oldest, modified)
        self.newest = modified if self.newest is None else max(self.newest, modified)


async def stats(
    previews: Inventory, preview_prefix: str, presets: Collection[str], on_object: OnItem
) -> AsyncIterator[PresetStats]:
    """Yield the statistics of all presets of the settings, then of unknown ones that are in the bucket.

    Calls `on_object` for each preview. Raises `StorageFailed`.
    """
    folders = [name async for name in previews.folders(f"{preview_prefix}/")]
    unknown = [name for name in folders if name not in presets and name != DOCTOR]
    for name in [*presets, *unknown]:
        found = PresetStats(name, name in presets)
        async for stored in previews.objects(f"{preview_prefix}/{name}/"):
            found.add(stored.size, stored.modified)
            on_object()
        yield found


async def run(settings: Settings, *, as_json: bool) -> int:
    """Run the command and return its exit code, 0. Raises `StorageFailed`."""
    async with open_buckets(settings) as buckets:
        with progress("previews") as on_object:
            found = stats(buckets.previews, settings.preview_prefix, settings.variants, on_object)
            rows = [asdict(each) async for each in found]
    (print_json if as_json else print_table)(rows)
    return 0
