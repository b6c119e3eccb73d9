"""Fallback previews: served while the requested preview is rendered, or cannot be."""

from __future__ import annotations

import asyncio

import pytest

from prewmanager.errors import (
    DeadlineExceeded,
    Overloaded,
    PhotoCorrupt,
    PhotoMissing,
    PreviewFailed,
    ResizerFailed,
    StorageFailed,
)
from prewmanager.flights.lease import Timing
from prewmanager.flights.placeholder import FALLBACK_CACHE_CONTROL, MAX_LOOKUPS, FallbackFinder
from prewmanager.flights.result import Answer
from prewmanager.previews.catalogue import Catalogue, Preview
from prewmanager.previews.layout import Layout
from prewmanager.previews.outcome import Made, Source
from prewmanager.previews.variants import all_variants
from prewmanager_presets import Preset
from tests.support.fakes import FakeStore, made, until
from tests.support.replica import InMemoryReplica

PRESETS = {
    "thumb": Preset(width=200),
    "card": Preset(width=720),
    "wide": Preset(width=800, height=100),
    "hero": Preset(width=1600, format="auto", dpr=(2,)),
    "modern": Preset(width=721, format="avif"),
}
CATALOGUE = Catalogue(all_variants(PRESETS), Layout("photo", "prew"))
TIMING = Timing(lease_s=5, lock_ttl_s=20, invoke_s=5, wait_s=15)
NEVER_S = 1000.0


class CountingStore(FakeStore):
    """Records the keys of its existence checks."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []

    async def find(self, key: str) -> Made | None:
        self.keys.append(key)
        return await super().find(key)


class Replica(InMemoryReplica):
    """A replica that serves fallback previews after this many seconds."""

    def __init__(self, after_s: float, error: PreviewFailed | None = None) -> None:
        super().__init__(
            catalogue=CATALOGUE, store=CountingStore(), error=error, timing=TIMING, fallback_after_s=after_s
        )

    @property
    def keys(self) -> list[str]:
        """The keys of the bucket's existence checks."""
        assert isinstance(self.store, CountingStore)
        return self.store.keys

    def put(self, name: str) -> None:
        """Store the photo's preview in this variant."""
        self.store.objects[f"prew/{name}/a.jpg"] = made(name.encode())

    def ask_for(self, name: str = "card") -> asyncio.Task[Answer]:
        """Request the photo's preview in this variant."""
        return self.ask(f"/prew/{name}/a.jpg")


def wanted(name: str = "card") -> Preview:
    """The preview of the photo in this variant."""
    return CATALOGUE.resolve(f"/prew/{name}/a.jpg")


def names(name: str) -> list[str]:
    """Return the candidates for a preview, by preset."""
    return [each.preset_name for each in FallbackFinder(CATALOGUE, FakeStore()).candidates(wanted(name))]


def test_the_most_similar_by_width_comes_first() -> None:
    assert names("card") == ["wide", "thumb", "hero", "hero@2x"]
    assert names("hero")[:2] == ["wide", "card"]
    assert names("hero.avif")[:3] == ["hero", "wide", "modern"]
    assert names("hero@2x.webp")[:3] == ["hero@2x", "hero", "hero.webp"]


def test_of_two_that_are_equally_similar_the_larger_one_is_better() -> None:
    presets = {"low": Preset(width=100), "mid": Preset(width=200), "high": Preset(width=300)}
    catalogue = Catalogue(presets, Layout("photo", "prew"))
    found = FallbackFinder(catalogue, FakeStore()).candidates(catalogue.resolve("/prew/mid/a.jpg"))

    assert [each.preset_name for each in found] == ["high", "low"]


def test_a_key_that_is_too_long_for_s3_is_no_candidate() -> None:
    photo = "x" * (1024 - len("prew/card/"))
    found = FallbackFinder(CATALOGUE, FakeStore()).candidates(CATALOGUE.resolve(f"/prew/card/{photo}"))

    assert [each.preset_name for each in found] == ["wide", "hero"]


@pytest.mark.fault("fallback")
async def test_waiters_get_one_fallback_preview_and_the_flight_goes_on() -> None:
    replica = Replica(after_s=0)
    replica.put("thumb")
    replica.put("hero")
    answers = await asyncio.gather(*(replica.ask_for() for _ in range(50)))
    lookups = len(replica.keys)
    late = await replica.ask_for()
    replica.resizer.gate.set()
    await until(lambda: bool(replica.observer.flights))
    await until(lambda: not replica.coalescer.in_flight())
    after = await InMemoryReplica(catalogue=CATALOGUE, store=replica.store).ask()

    assert {(answer.source, answer.made.body) for answer in [*answers, late]} == {(Source.FALLBACK, b"thumb")}
    assert {answer.made.cache_control for answer in answers} == {FALLBACK_CACHE_CONTROL}
    assert answers[0].made.etag != after.made.etag
    assert lookups <= 1 + MAX_LOOKUPS
    assert (after.source, replica.resizer.calls) == (Source.FOUND, ["prew/card/a.jpg"])


async def test_no_fallback_preview_is_searched_before_its_time() -> None:
    replica = Replica(after_s=NEVER_S)
    replica.put("thumb")
    replica.resizer.gate.set()

    assert (await replica.ask_for()).source is Source.MADE
    assert replica.keys == ["prew/card/a.jpg"]


async def test_without_a_fallback_preview_requests_wait_on() -> None:
    replica = Replica(after_s=0)
    asking = replica.ask_for()
    await until(lambda: len(replica.keys) == 1 + len(names("card")))
    replica.resizer.gate.set()

    assert (await asking).source is Source.MADE


@pytest.mark.parametrize("error", [Overloaded(), DeadlineExceeded(), ResizerFailed(), StorageFailed()])
@pytest.mark.fault("fallback")
async def test_a_transient_failure_gets_the_fallback_preview(error: PreviewFailed) -> None:
    replica = Replica(after_s=NEVER_S, error=error)
    replica.put("hero")
    replica.resizer.gate.set()
    asking = [replica.ask_for() for _ in range(10)]
    sources = {answer.source for answer in await asyncio.gather(*asking)}

    assert sources == {(await replica.ask_for()).source} == {Source.FALLBACK}
    assert len(replica.resizer.calls) == 1


@pytest.mark.parametrize("error", [PhotoMissing(), PhotoCorrupt()])
async def test_a_failure_of_the_photo_is_returned(error: PreviewFailed) -> None:
    """The other previews of a deleted photo are not served instead."""
    replica = Replica(after_s=NEVER_S, error=error)
    replica.put("hero")
    replica.resizer.gate.set()
    with pytest.raises(type(error)):
        await replica.ask_for()

    assert replica.keys == ["prew/card/a.jpg"]


async def test_without_s3_a_transient_failure_is_returned() -> None:
    replica = Replica(after_s=NEVER_S, error=ResizerFailed())
    replica.put("hero")
    replica.store.broken = True
    replica.resizer.gate.set()
    with pytest.raises(ResizerFailed):
        await replica.ask_for()


@pytest.mark.parametrize("ticks", range(12))
async def test_a_request_that_comes_as_its_flight_is_ended_is_answered(ticks: int) -> None:
    """It joins a flight that has ended by the time that it would wait."""
    replica = Replica(after_s=NEVER_S)
    first = replica.ask_for()
    await until(lambda: bool(replica.resizer.calls))
    closing = asyncio.create_task(replica.coalescer.close(0))
    for _ in range(ticks):
        await asyncio.sleep(0)
    late = replica.ask_for()
    _, waiting = await asyncio.wait((first, late), timeout=TIMING.wait_s)
    replica.resizer.gate.set()
    await closing
    for request in (first, late):
        request.cancel()
    await asyncio.gather(first, late, return_exceptions=True)

    assert not waiting
