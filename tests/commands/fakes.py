"""Fakes of the buckets' inventories."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from prewmanager.previews.inventory import StoredObject


class FakeInventory:
    """Lists these keys in this order, and records what is deleted."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = keys
        self.deleted: list[str] = []

    async def objects(self, prefix: str) -> AsyncIterator[StoredObject]:
        for key in self._keys:
            if key.startswith(prefix):
                yield StoredObject(key, 1, datetime.now(UTC))

    def folders(self, prefix: str) -> AsyncIterator[str]:
        raise NotImplementedError(prefix)

    async def delete(self, keys: Sequence[str]) -> None:
        self.deleted += keys
