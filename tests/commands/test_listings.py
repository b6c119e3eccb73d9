"""Two listings merged, on fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewmanager.commands.listings import Folders, Order, OutOfOrder, by_bytes, by_segments, in_listing_order
from prewmanager.previews.inventory import StoredObject

_NAMES = st.sets(st.text("ab-/.é", min_size=1, max_size=6), max_size=12)


class FakeInventory:
    """Lists these names as they are given."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    async def objects(self, prefix: str) -> AsyncIterator[StoredObject]:
        for name in self._names:
            if f"x/{name}".startswith(prefix):
                yield StoredObject(f"x/{name}", 1, datetime.now(UTC))

    async def folders(self, prefix: str) -> AsyncIterator[str]:
        raise NotImplementedError(prefix)
        yield

    async def delete(self, keys: Sequence[str]) -> None:
        raise NotImplementedError(keys)


async def _joined(photos: Sequence[str], previews: Sequence[str], order: Order) -> list[tuple[str, bool, bool]]:
    folders = Folders(FakeInventory(photos), "x/", FakeInventory(previews), "x/")
    pairs = folders.pairs("", order)
    return [(pair.name, pair.photo is not None, pair.preview is not None) async for pair in pairs]


@pytest.mark.parametrize("order", [by_bytes, by_segments])
@given(photos=_NAMES, previews=_NAMES)
async def test_each_name_comes_once_with_what_there_is_of_it(
    order: Order, photos: set[str], previews: set[str]
) -> None:
    """In either order, with photos only, previews only, and both."""
    joined = await _joined(sorted(photos, key=order), sorted(previews, key=order), order)

    assert joined == [(name, name in photos, name in previews) for name in sorted(photos | previews, key=order)]


@pytest.mark.parametrize("order", [by_bytes, by_segments])
@given(photos=_NAMES, previews=_NAMES)
async def test_the_order_is_found(order: Order, photos: set[str], previews: set[str]) -> None:
    """Whichever of the two the server lists in, the pairs are the same."""
    listed = sorted(photos, key=order), sorted(previews, key=order)

    joined, _ = await in_listing_order(lambda assumed: _joined(*listed, assumed))

    assert set(joined) == {(name, name in photos, name in previews) for name in photos | previews}
    assert len(joined) == len(photos | previews)


async def test_a_listing_in_no_order_is_refused() -> None:
    """Rather than taken for photos without previews."""
    with pytest.raises(OutOfOrder, match="run it again"):
        await in_listing_order(lambda order: _joined(["b", "a"], [], order))
