"""Freshness of a preview, and the repair of a stale one, on fakes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from prewmanager.commands.freshness import FreshPreviews, Stale, why_stale
from prewmanager.commands.listings import Pair
from prewmanager.commands.rendering import Renderer
from prewmanager.commands.repair import Repairer
from prewmanager.previews.inventory import ObjectHead, StoredObject
from prewmanager.previews.outcome import Source
from tests.commands.fakes import FakeInventory
from tests.support.fakes import CATALOGUE, FakeStore, made, preview
from tests.support.replica import InMemoryReplica

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
LATER = EARLIER + timedelta(seconds=1)
CARD = CATALOGUE.presets["card"]


class FakeBucket(FakeStore):
    """A bucket with the metadata of objects, by key with underscores."""

    def __init__(self, **heads: ObjectHead | None) -> None:
        super().__init__()
        self._heads = heads

    async def head(self, key: str) -> ObjectHead | None:
        return self._heads.get(key.replace("/", "_").removesuffix(".jpg"))

    async def ping(self) -> None:
        await self.find("probe")


def _head(modified: datetime, fingerprint: str | None = CARD.fingerprint) -> ObjectHead:
    return ObjectHead(made(b"picture"), modified, fingerprint)


def _stored(key: str, modified: datetime) -> StoredObject:
    return StoredObject(key, 7, modified)


@pytest.mark.parametrize(
    ("photo", "fingerprint", "expected"),
    [
        (EARLIER, CARD.fingerprint, None),
        (EARLIER, "000000000000", Stale.PRESET_CHANGED),
        (EARLIER, None, Stale.PRESET_CHANGED),
        (LATER + timedelta(seconds=1), CARD.fingerprint, Stale.PHOTO_CHANGED),
        (LATER, CARD.fingerprint, None),
        (None, CARD.fingerprint, Stale.PHOTO_GONE),
    ],
)
async def test_why_a_preview_is_stale(photo: datetime | None, fingerprint: str | None, expected: Stale | None) -> None:
    pair = Pair("a.jpg", _stored("photo/a.jpg", photo) if photo else None, _stored("prew/card/a.jpg", LATER))
    bucket = FakeBucket(prew_card_a=_head(LATER, fingerprint))

    assert await why_stale(pair, CARD, bucket) == expected


@pytest.mark.fault("photo-changed")
@pytest.mark.parametrize("photo_modified", [EARLIER, LATER + timedelta(days=1)])
@pytest.mark.parametrize(("source", "expected"), [("current", None), ("earlier", Stale.PHOTO_CHANGED)])
async def test_a_preview_is_stale_by_the_photos_version_whatever_the_times(
    photo_modified: datetime, source: str, expected: Stale | None
) -> None:
    """The preview of an overwritten photo may have been written after the new one; an old photo may be restored."""
    photo, head = StoredObject("photo/a.jpg", 7, photo_modified, "current"), replace(_head(LATER), source_etag=source)
    bucket = FakeBucket(prew_card_a=head)
    store = FreshPreviews(
        bucket,
        FakeBucket(photo_a=replace(_head(photo_modified), made=replace(made(), etag='"current"'))),
        CATALOGUE,
    )

    assert await why_stale(Pair("a.jpg", photo, _stored("prew/card/a.jpg", LATER)), CARD, bucket) == expected
    assert (await store.find("prew/card/a.jpg") is not None) == (expected is None)


async def test_a_preview_deleted_since_the_listing_is_not_stale() -> None:
    """The next request renders it."""
    pair = Pair("a.jpg", _stored("photo/a.jpg", EARLIER), _stored("prew/card/a.jpg", LATER))

    assert await why_stale(pair, CARD, FakeBucket()) is None
    assert await why_stale(Pair("a.jpg", pair.photo, None), CARD, FakeBucket()) is None


@pytest.mark.parametrize(
    ("preview_head", "photo_head", "found"),
    [
        (_head(LATER), _head(EARLIER), True),
        (_head(LATER), _head(LATER), True),
        (_head(EARLIER), _head(LATER), False),
        (_head(LATER, "000000000000"), _head(EARLIER), False),
        (_head(LATER), None, False),
        (None, _head(EARLIER), False),
    ],
)
async def test_a_flight_renders_a_stale_preview_but_not_one_that_was_rendered_since(
    preview_head: ObjectHead | None, photo_head: ObjectHead | None, *, found: bool
) -> None:
    store = FreshPreviews(FakeBucket(prew_card_a=preview_head), FakeBucket(photo_a=photo_head), CATALOGUE)

    assert (await store.find("prew/card/a.jpg") is not None) == found


async def test_streams_and_probes_go_to_the_wrapped_bucket() -> None:
    previews = FakeBucket()
    previews.objects["prew/card/a.jpg"] = made(b"picture")
    store = FreshPreviews(previews, FakeBucket(), CATALOGUE)
    await store.ping()
    stored, pieces = await store.stream("prew/card/a.jpg")

    assert previews.requests == 2
    assert stored.size == 7
    assert b"".join([piece async for piece in pieces]) == b"picture"


def _repairer(photos: FakeBucket, previews: FakeInventory) -> Repairer:
    replica = InMemoryReplica()
    replica.resizer.gate.set()
    return Repairer(Renderer(replica.coalescer, 2), photos, previews, replica.coalescer)


async def test_a_preview_is_deleted_unless_its_photo_is_back_by_then() -> None:
    previews = FakeInventory()
    gone, back = _repairer(FakeBucket(), previews), _repairer(FakeBucket(photo_a=_head(LATER)), previews)

    assert await back.repair(preview("/prew/card/a.jpg"), Stale.PHOTO_GONE) is None
    assert previews.deleted == []
    assert await gone.repair(preview("/prew/card/a.jpg"), Stale.PHOTO_GONE) == "deleted"
    assert previews.deleted == ["prew/card/a.jpg"]


async def test_a_preview_of_a_changed_preset_is_rendered() -> None:
    repairer = _repairer(FakeBucket(), FakeInventory())

    assert await repairer.repair(preview("/prew/card/a.jpg"), Stale.PRESET_CHANGED) is Source.MADE
