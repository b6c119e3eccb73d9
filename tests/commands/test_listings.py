"""Two listings merged, on fakes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewmanager.commands.listings import Listings, Order, OutOfOrder, by_bytes, by_segments, in_listing_order
from prewmanager.previews.layout import Layout
from tests.commands.fakes import FakeInventory

_NAMES = st.sets(st.text("ab-/.é", min_size=1, max_size=6), max_size=12)


async def _joined(photos: Sequence[str], previews: Sequence[str], order: Order) -> list[tuple[str, bool, bool]]:
    inventories = [FakeInventory([f"x/{name}" for name in photos]), FakeInventory([f"y/z/{name}" for name in previews])]
    pairs = Listings(inventories[0], inventories[1], Layout("x", "y"), "z").pairs("", order)
    return [(pair.name, pair.photo is not None, pair.preview is not None) async for pair in pairs]


@pytest.mark.parametrize("order", [by_bytes, by_segments])
@given(photos=_NAMES, previews=_NAMES)
async def test_each_name_comes_once_with_what_is_stored(order: Order, photos: set[str], previews: set[str]) -> None:
    joined = await _joined(sorted(photos, key=order), sorted(previews, key=order), order)

    assert joined == [(name, name in photos, name in previews) for name in sorted(photos | previews, key=order)]


@pytest.mark.parametrize("order", [by_bytes, by_segments])
@given(photos=_NAMES, previews=_NAMES)
async def test_the_order_of_the_listings_is_detected(order: Order, photos: set[str], previews: set[str]) -> None:
    listed = sorted(photos, key=order), sorted(previews, key=order)

    joined, _ = await in_listing_order(lambda assumed: _joined(*listed, assumed))

    assert set(joined) == {(name, name in photos, name in previews) for name in photos | previews}
    assert len(joined) == len(photos | previews)


async def test_an_unsorted_listing_is_refused() -> None:
    """Photos would seem to have no previews."""
    with pytest.raises(OutOfOrder, match="the listing is not sorted"):
        await in_listing_order(lambda order: _joined(["b", "a"], [], order))
