"""Caches are purged together, in order, again where that fails, and only of what they may have."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

import pytest

from prewmanager.adapters.memory_outdated import MemoryOutdatedPhotos
from prewmanager.errors import CacheUnavailable, InvalidKey
from prewmanager.polishing.fates import Fate
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.layout import Layout
from prewmanager.previews.variants import all_variants
from prewmanager.purging.copies import Copies, of_photo, of_preset, of_preview, public_paths, together
from prewmanager.purging.photos import ChangedPhotos
from prewmanager.purging.polished import PurgePolished
from prewmanager.purging.purger import LATER_PAUSES_S, PAUSES_S, Purger
from prewmanager_presets import Preset
from prewmanager_presets.tags import photo_tag

PRESETS = {"card": Preset(width=720, format="auto"), "thumb": Preset(width=200)}
CATALOGUE = Catalogue(all_variants(PRESETS), Layout("photo", "prew"), "photos")
A, B = (Copies((f"photo-{each}",), keys=(f"prew/card/{each}.jpg",)) for each in "ab")
TAG = photo_tag("photos", "photo/a b.jpg")


@dataclasses.dataclass
class FakeCache:
    """A cache that fails so many times; `seen` is shared by all of a test, to show the order."""

    name: str
    seen: list[tuple[str, Copies]]
    failures: int = 0
    is_behind: bool = False
    is_billed: bool = False

    async def purge(self, copies: Copies) -> None:
        self.seen.append((self.name, copies))
        if self.failures:
            self.failures -= 1
            raise CacheUnavailable(f"{self.name}: away")


class FakeObserver:
    """Records outcomes."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str | None]] = []

    def expect(self, caches: object) -> None:
        """Ignore them."""

    def purged(self, cache: str, copies: Copies, error: str | None) -> None:  # noqa: ARG002 -- the port's
        self.seen.append((cache, error))


class Caches:
    """An nginx and a CDN that is paid for, with a purger that does not wait."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Copies]] = []
        self.pauses: list[float] = []
        self.nginx = FakeCache("nginx", self.seen, is_behind=True)
        self.cdn = FakeCache("cdn", self.seen, is_billed=True)
        self.observer = FakeObserver()
        self.purger = Purger([self.cdn, self.nginx], self.observer, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def quiet(self, times: int = 200) -> None:
        """Let everything run that can."""
        for _ in range(times):
            await asyncio.sleep(0)


async def test_what_changes_at_the_same_time_is_purged_together_nginx_first() -> None:
    caches = Caches()
    await asyncio.gather(caches.purger.purge(A), caches.purger.purge(B), caches.purger.purge(A))
    await caches.purger.purge(A)

    both = together([A, B])
    assert caches.seen == [("nginx", both), ("cdn", both), ("nginx", A), ("cdn", A)]
    assert both == Copies(("photo-a", "photo-b"), keys=("prew/card/a.jpg", "prew/card/b.jpg"))


@pytest.mark.fault("cache-away")
async def test_a_cache_that_fails_is_asked_again_and_then_it_is_an_error_after_all_others() -> None:
    caches = Caches()
    caches.nginx.failures = len(PAUSES_S)
    await caches.purger.purge(A)
    caches.nginx.failures = 1 + len(PAUSES_S)
    with pytest.raises(CacheUnavailable, match="nginx: away"):
        await caches.purger.purge(B)

    assert [cache for cache, _ in caches.seen] == (["nginx"] * 3 + ["cdn"]) * 2
    assert caches.observer.seen == [("nginx", None), ("cdn", None), ("nginx", "nginx: away"), ("cdn", None)]


@pytest.mark.fault("cache-away")
async def test_where_nobody_waits_it_is_tried_for_some_minutes() -> None:
    caches = Caches()
    caches.cdn.failures = 2 * (1 + len(PAUSES_S))
    caches.purger.later(A, 30)
    await caches.quiet()

    assert [each for each in caches.pauses if each in {30, *LATER_PAUSES_S}] == [30, *LATER_PAUSES_S[:2]]
    assert caches.observer.seen[-1] == ("cdn", None)


async def test_a_request_that_is_cancelled_ends_no_purge() -> None:
    caches = Caches()
    task = asyncio.create_task(caches.purger.purge(A))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await caches.purger.close(10)

    assert [cache for cache, _ in caches.seen] == ["nginx", "cdn"]


async def test_a_polished_preview_costs_nothing() -> None:
    caches, ended = Caches(), list[Fate]()

    class Reports:
        def ended(self, key: str, fate: Fate, before: int = 0, after: int = 0) -> None:  # noqa: ARG002 -- the port's
            ended.append(fate)

    polished = PurgePolished(Reports(), caches.purger, CATALOGUE)
    for fate in (Fate.TOO_LITTLE, Fate.DONE):
        polished.ended("prew/card/a b.jpg", fate, 9, 5)
    await caches.quiet()

    assert ended == [Fate.TOO_LITTLE, Fate.DONE]
    assert caches.seen == [("nginx", of_preview(CATALOGUE, "prew/card/a b.jpg"))]


@pytest.fixture(name="caches")
def _caches() -> Caches:
    return Caches()


@pytest.fixture(name="photos")
def _photos(caches: Caches) -> ChangedPhotos:
    return ChangedPhotos(caches.purger, MemoryOutdatedPhotos(), CATALOGUE, again_s=30)


async def test_a_new_photo_purges_nothing(caches: Caches, photos: ChangedPhotos) -> None:
    """Of each upload comes an event."""
    await photos.changed("photo/a b.jpg", in_flight=False)

    assert caches.seen == []


@pytest.mark.fault("cache-away")
async def test_a_note_stays_until_all_caches_are_purged(caches: Caches, photos: ChangedPhotos) -> None:
    caches.cdn.failures = 1 + len(PAUSES_S)
    await photos.note("photo/a b.jpg", untagged=True)
    await photos.note("photo/a b.jpg", untagged=False)
    with pytest.raises(CacheUnavailable):
        await photos.changed("photo/a b.jpg", in_flight=False)
    for _ in range(2):
        await photos.changed("photo/a b.jpg", in_flight=False)

    await caches.quiet()

    wanted = of_photo(CATALOGUE, "photo/a b.jpg", untagged=True)
    assert [cache for cache, _ in caches.seen] == ["nginx", "cdn", "cdn", "cdn", "nginx", "cdn", "nginx"]
    assert {copies for _, copies in caches.seen} == {wanted}
    assert [each for each in caches.pauses if each == 5] == [5]


async def test_flights_in_progress_are_purged_once_more_when_they_have_ended(
    caches: Caches, photos: ChangedPhotos
) -> None:
    await photos.changed("photo/a b.jpg", in_flight=True)
    await caches.quiet()

    assert {cache for cache, _ in caches.seen} == {"nginx", "cdn"}
    assert [each for each in caches.pauses if each in {5, 30}] == [30, 5]


def test_a_photos_copies_are_one_tag_and_all_its_keys() -> None:
    copies = of_photo(CATALOGUE, "photo/a b.jpg", untagged=False)

    assert copies.tags == (TAG,)
    assert copies.paths == ()
    assert set(copies.keys) == {"photo/a b.jpg", *(f"prew/{name}/a b.jpg" for name in CATALOGUE.presets)}


def test_what_may_have_no_tags_has_paths_that_cover_them() -> None:
    photo = of_photo(CATALOGUE, "photo/a b.jpg", untagged=True)
    preset = of_preset(CATALOGUE, "card.webp", "2024/")

    assert set(photo.paths) == {f"/prew/{name}/a%20b.jpg" for name in CATALOGUE.presets}
    assert photo.covered == photo.tags == (TAG,)
    assert preset.paths == ("/prew/card.webp/2024/*", "/prew/card/2024/*")
    assert (preset.tags, preset.covered, preset.starts) == (
        ("preset-card",),
        ("preset-card",),
        ("prew/card.webp/2024/",),
    )


def test_paths_are_spelled_as_cloudfront_knows_them() -> None:
    """A path that encodes more than its guide says invalidates nothing; a * at the end would be a wildcard."""
    assert public_paths("prew/card@2x/é a+b,(1)#?%*.jpg*") == ["/prew/card@2x/%C3%A9%20a+b,(1)%23%3F%25%2A.jpg%2A"]
    assert public_paths("prew/card@2x.webp/2024/", exact=False) == ["/prew/card@2x.webp/2024/*", "/prew/card@2x/2024/*"]


@pytest.mark.parametrize("find", [public_paths, lambda key: of_preview(CATALOGUE, key)])
def test_what_is_no_previews_key_has_no_copies(find: Callable[[str], object]) -> None:
    with pytest.raises(InvalidKey):
        find("prew/card")
