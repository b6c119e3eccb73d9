"""When a preview is fresh, and what is done to one that is not, on fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.commands.freshness import FreshPreviews, Stale, why_stale
from prewmanager.commands.listings import Pair
from prewmanager.commands.rendering import Renderer, RenderReport
from prewmanager.commands.repair import Repairer
from prewmanager.flights.coalescer import Coalescer
from prewmanager.flights.lease import Lifetimes, Timing
from prewmanager.previews.inventory import ObjectHead, StoredObject
from prewmanager.resizing.load import Load
from tests.support.fakes import CATALOGUE, FakeStore, GatedResizer, RecordingObserver, made, preview

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
LATER = EARLIER + timedelta(seconds=1)
CARD = CATALOGUE.presets["card"]


class FakeBucket(FakeStore):
    """Objects with a time and a fingerprint, that can be looked at."""

    def __init__(self, **looks: ObjectHead) -> None:
        super().__init__()
        self.looks_of = looks

    async def head(self, key: str) -> ObjectHead | None:
        return self.looks_of.get(key.replace("/", "_").removesuffix(".jpg"))

    async def ping(self) -> None:
        await self.find("probe")


class FakeInventory:
    """Notes what is deleted."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def objects(self, prefix: str) -> AsyncIterator[StoredObject]:
        raise NotImplementedError(prefix)

    def folders(self, prefix: str) -> AsyncIterator[str]:
        raise NotImplementedError(prefix)

    async def delete(self, keys: Sequence[str]) -> None:
        self.deleted += keys


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
        (LATER + timedelta(seconds=1), CARD.fingerprint, Stale.PHOTO_NEWER),
        (LATER, CARD.fingerprint, None),
        (None, CARD.fingerprint, Stale.PHOTO_GONE),
    ],
)
async def test_why_a_preview_is_stale(photo: datetime | None, fingerprint: str | None, expected: Stale | None) -> None:
    """By its fingerprint, by the photo's time, which may be the same second, and where there is no photo."""
    pair = Pair("a.jpg", _stored("photo/a.jpg", photo) if photo else None, _stored("prew/card/a.jpg", LATER))
    bucket = FakeBucket(prew_card_a=_head(LATER, fingerprint))

    assert await why_stale(pair, CARD, bucket) == expected


async def test_what_is_gone_since_the_listing_is_not_stale() -> None:
    """The next request makes it."""
    pair = Pair("a.jpg", _stored("photo/a.jpg", EARLIER), _stored("prew/card/a.jpg", LATER))

    assert await why_stale(pair, CARD, FakeBucket()) is None
    assert await why_stale(Pair("a.jpg", pair.photo, None), CARD, FakeBucket()) is None


@pytest.mark.parametrize(
    ("preview_look", "photo_look", "found"),
    [
        (_head(LATER), _head(EARLIER), True),
        (_head(LATER), _head(LATER), True),
        (_head(EARLIER), _head(LATER), False),
        (_head(LATER, "000000000000"), _head(EARLIER), False),
        (_head(LATER), None, False),
        (None, _head(EARLIER), False),
    ],
)
async def test_a_flight_finds_only_what_is_fresh(
    preview_look: ObjectHead | None, photo_look: ObjectHead | None, *, found: bool
) -> None:
    """So that it makes a stale one, and does not make again what another process has made anew."""
    previews = FakeBucket(**({"prew_card_a": preview_look} if preview_look else {}))
    photos = FakeBucket(**({"photo_a": photo_look} if photo_look else {}))
    store = FreshPreviews(previews, photos, CATALOGUE)

    assert (await store.find("prew/card/a.jpg") is not None) == found


async def test_otherwise_it_is_the_store_that_it_wraps() -> None:
    """Streams and probes go through."""
    previews = FakeBucket()
    previews.objects["prew/card/a.jpg"] = made(b"picture")
    store = FreshPreviews(previews, FakeBucket(), CATALOGUE)
    await store.ping()
    stored, pieces = await store.stream("prew/card/a.jpg")

    assert previews.looks == 2
    assert stored.size == 7
    assert b"".join([piece async for piece in pieces]) == b"picture"


def _mender(photos: FakeBucket, previews: FakeInventory) -> Repairer:
    resizer = GatedResizer()
    resizer.gate.set()
    coalescer = Coalescer(
        flight_store=MemoryFlightStore(),
        resizer=resizer,
        store=FakeStore(),
        observer=RecordingObserver(),
        timing=Timing(5, 30, 15, 45),
        lifetimes=Lifetimes(30, {}),
        load=Load(1),
        max_flights=10,
    )
    return Repairer(Renderer(coalescer, RenderReport(), 2), photos, previews, None)


async def test_a_photo_that_came_back_keeps_its_preview() -> None:
    """The listing is some time ago when its turn comes."""
    previews = FakeInventory()
    gone, back = _mender(FakeBucket(), previews), _mender(FakeBucket(photo_a=_head(LATER)), previews)

    assert await back.repair(preview("/prew/card/a.jpg"), Stale.PHOTO_GONE)
    assert previews.deleted == []
    assert await gone.repair(preview("/prew/card/a.jpg"), Stale.PHOTO_GONE)
    assert previews.deleted == ["prew/card/a.jpg"]
    assert dict(gone.maker.account.done) == {"deleted": 1}


async def test_what_has_changed_is_made() -> None:
    """And counted."""
    repairer = _mender(FakeBucket(), FakeInventory())

    assert await repairer.repair(preview("/prew/card/a.jpg"), Stale.PRESET_CHANGED)
    assert dict(repairer.maker.account.done) == {"made": 1}
