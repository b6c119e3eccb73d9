"""Previews of presets that are not configured, such as a dropped one: S3 stores them, and nginx serves them."""

from __future__ import annotations

from collections.abc import Collection

from prewmanager.previews.ports import Inventory
from prewmanager.web.identity import DOCTOR


async def dropped_presets(previews: Inventory, preview_prefix: str, known: Collection[str]) -> list[str]:
    """List the presets and variants that have previews and are not among the `known`. Raises `StorageFailed`."""
    folders = [name async for name in previews.folders(f"{preview_prefix}/")]
    unknown = [name for name in folders if name not in known and name != DOCTOR]
    return [name for name in unknown if await has_objects(previews, f"{preview_prefix}/{name}/")]


async def has_objects(inventory: Inventory, prefix: str) -> bool:
    """Whether there is an object: a server that keeps folders lists empty ones, too. Raises `StorageFailed`."""
    async for _ in inventory.objects(prefix):
        return True
    return False
