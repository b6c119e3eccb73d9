"""What the cleaner asks of the service: to note a photo, and then to evict and purge what is cached of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from prewmanager.adapters.memory_outdated import MemoryOutdatedPhotos
from prewmanager.errors import CacheUnavailable, FlightStoreUnavailable
from prewmanager.purging.copies import Copies
from prewmanager.purging.photos import ChangedPhotos
from prewmanager.purging.purger import Purger
from tests.support.fakes import CATALOGUE
from tests.support.replica import WebReplica

NOTE, CHANGED = ("PUT", "/-/outdated/photo/a%20b.jpg"), ("DELETE", "/-/results/photo/a%20b.jpg")


class FakeCdn:
    """A cache that fails for as long as a test says so."""

    name = "cdn"
    is_behind = False
    is_billed = True

    def __init__(self) -> None:
        self.fails = False
        self.purges: list[Copies] = []

    async def purge(self, copies: Copies) -> None:
        if self.fails:
            raise CacheUnavailable("cdn: away")
        self.purges.append(copies)


class UnreachableNotes(MemoryOutdatedPhotos):
    """As in Redis, while that is away."""

    async def note(self, photo_key: str, *, untagged: bool) -> None:
        raise FlightStoreUnavailable(f"{photo_key} {untagged}")


@pytest.fixture(name="cdn")
def _cdn() -> FakeCdn:
    return FakeCdn()


@pytest.fixture(name="site")
async def _site(cdn: FakeCdn) -> AsyncIterator[WebReplica]:
    replica = WebReplica()

    async def at_once(seconds: float) -> None:
        del seconds

    replica.metrics.purges.expect([cdn.name])
    purger = Purger([cdn], replica.metrics.purges, sleep=at_once)
    replica.changed = ChangedPhotos(purger, MemoryOutdatedPhotos(), CATALOGUE, again_s=30)
    async with replica.running() as site:
        yield site
    await purger.close(5)


async def _statuses(site: WebReplica, *requests: tuple[str, str]) -> list[int]:
    return [(await site.request(*each)).status for each in requests]


async def test_a_photo_that_is_noted_is_purged_once_and_another_is_not(site: WebReplica, cdn: FakeCdn) -> None:
    before = site.metrics.text()
    statuses = await _statuses(site, NOTE, ("DELETE", "/-/results/photo/new.jpg"), CHANGED, CHANGED)

    assert statuses == [204] * 4
    assert [each.keys for each in cdn.purges] == [("photo/a b.jpg", "prew/card/a b.jpg", "prew/thumb/a b.jpg")]
    assert 'prewmanager_purges_total{cache="cdn",outcome="failed"} 0.0' in before
    assert 'prewmanager_purges_total{cache="cdn",outcome="done"} 1.0' in site.metrics.text()


@pytest.mark.fault("cache-away")
async def test_a_cache_that_is_away_is_503_and_the_next_request_purges_it(site: WebReplica, cdn: FakeCdn) -> None:
    cdn.fails = True
    failed = await _statuses(site, (NOTE[0], f"{NOTE[1]}?untagged=1"), CHANGED)
    metrics = site.metrics.text()
    cdn.fails = False

    assert (failed, await _statuses(site, CHANGED)) == ([204, 503], [204])
    assert [each.paths for each in cdn.purges] == [("/prew/card/a%20b.jpg", "/prew/thumb/a%20b.jpg")]
    assert 'prewmanager_purges_total{cache="cdn",outcome="failed"} 1.0' in metrics


@pytest.mark.parametrize("path", ["/-/outdated/prew/card/a.jpg", "/-/outdated/photo/..%2fa.jpg"])
async def test_what_is_no_photo_is_400(site: WebReplica, path: str) -> None:
    assert await _statuses(site, ("PUT", path)) == [400]


async def test_a_bucket_of_no_source_is_400_and_the_main_sources_photo_stays(site: WebReplica, cdn: FakeCdn) -> None:
    unknown = [(method, f"{path}?bucket=shop") for method, path in (NOTE, CHANGED)]
    named = [(method, f"{path}?bucket=photos") for method, path in (NOTE, CHANGED)]

    assert await _statuses(site, *unknown) == [400] * 2
    assert cdn.purges == []
    assert await _statuses(site, *named) == [204] * 2
    assert len(cdn.purges) == 1


async def test_without_redis_nothing_is_noted_and_who_asks_tries_again(cdn: FakeCdn) -> None:
    replica = WebReplica()
    purger = Purger([cdn], replica.metrics.purges)
    replica.changed = ChangedPhotos(purger, UnreachableNotes(), CATALOGUE, again_s=30)
    async with replica.running() as site:
        assert await _statuses(site, NOTE) == [503]


async def test_without_caches_nothing_is_noted() -> None:
    async with WebReplica().running() as site:
        assert await _statuses(site, NOTE, CHANGED) == [204, 204]
