"""Previews of one photo that are made in one invocation: with fakes of the ports and gates, and over a real Redis."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from prewmanager.adapters.local_board import LocalBoard
from prewmanager.adapters.redis_board import CHANNEL, RedisBoard
from prewmanager.adapters.redis_news import RedisNews
from prewmanager.coalescer import Answer
from prewmanager.errors import OriginalCorrupt, OriginalMissing, PreviewFailed, ResizerFailed
from prewmanager.ports import Busy, Failure, FlightBoard, Lease, Made, Settled, Source
from prewmanager.presets import Preset
from prewmanager.preview import Catalogue
from prewmanager.timing import Timing
from prewmanager.variants import all_variants
from tests.fakes import FakeStore, made, until
from tests.house import House

PRESETS = {
    "thumb": Preset(width=200, also=("card", "hero")),
    "card": Preset(width=720, also=("thumb",)),
    "hero": Preset(width=1600, best_effort=True),
    "auto": Preset(width=100, format="auto", dpr=(2,), also=("fine", "card")),
    "fine": Preset(width=300, format="auto"),
}
CATALOGUE = Catalogue(all_variants(PRESETS), "photo", "prew")
TIMING = Timing(lease_s=5, lock_ttl_s=20, invoke_s=5, wait_s=15, first_poll_s=0.001, longest_poll_s=0.005)


class Gallery(House):
    """One replica with these presets, asked for one photo."""

    catalogue = CATALOGUE

    def __init__(
        self, board: FlightBoard | None = None, store: FakeStore | None = None, error: Exception | None = None
    ) -> None:
        super().__init__(board, store, error, TIMING)

    def ask(self, preset: str = "thumb") -> asyncio.Task[Answer]:
        return super().ask(f"/prew/{preset}/a.jpg")

    async def landed(self) -> None:
        """Return when nothing flies any more."""
        await until(lambda: not self.coalescer.under_way())

    async def known(self, preset: str) -> Lease | Settled | Busy:
        """What the board says of a preview."""
        return await self.board.claim(CATALOGUE.resolve(f"/prew/{preset}/a.jpg").flight_key)


@pytest.mark.parametrize(
    ("wanted", "siblings"),
    [
        ("thumb", ["card", "hero"]),
        ("hero", []),
        ("auto", ["fine", "card"]),
        ("auto.webp", ["fine.webp", "card"]),
        ("auto@2x.avif", ["fine.avif", "card"]),
    ],
)
def test_siblings_are_of_the_same_kind(wanted: str, siblings: list[str]) -> None:
    """Whoever shows a thumb in one format wants the card in that format, where there is such a variant."""
    found = CATALOGUE.siblings(CATALOGUE.resolve(f"/prew/{wanted}/a.jpg"))

    assert [(each.preset_name, each.photo_key) for each in found] == [(name, "photo/a.jpg") for name in siblings]


def test_what_is_made_along_changes_no_preview() -> None:
    """The fingerprint stays, so that nothing has to be made anew."""
    assert Preset(width=1, also=("card",)).fingerprint == Preset(width=1).fingerprint


async def test_one_invocation_serves_the_waiters_of_all() -> None:
    """Those who want a card wait for the thumb's invocation, here and in another replica; all is in the bucket then."""
    board, store = LocalBoard(), FakeStore()
    here, there = Gallery(board, store), Gallery(board, store)
    thumbs = [here.ask("thumb") for _ in range(5)]
    await here.resizer.entered.wait()
    others = [house.ask(preset) for house in (here, there) for preset in ("card", "hero") for _ in range(5)]
    await until(lambda: here.observer.waiters + there.observer.waiters == 25)
    here.resizer.gate.set()
    await asyncio.gather(*thumbs)
    answers = await asyncio.gather(*others)

    assert (here.resizer.calls, there.resizer.calls) == (["prew/thumb/a.jpg"], [])
    assert sorted(store.objects) == ["prew/card/a.jpg", "prew/hero/a.jpg", "prew/thumb/a.jpg"]
    assert {answer.source for answer in answers} <= {Source.JOINED, Source.FOUND}
    told = {(key, source) for key, _, source in here.observer.flights}
    assert {("prew/card/a.jpg", Source.SIBLING), ("prew/hero/a.jpg", Source.SIBLING)} <= told


async def test_what_is_there_or_under_way_is_left_alone() -> None:
    """Of the siblings only those are made that nobody has, makes or remembers; each lease ends with the flight."""
    house = Gallery()
    house.store.objects["prew/card/a.jpg"] = made(b"was there")
    mine = await house.known("hero")
    house.resizer.gate.set()
    await house.ask("thumb")
    await house.landed()

    assert house.store.objects["prew/card/a.jpg"].body == b"was there"
    assert "prew/hero/a.jpg" not in house.store.objects
    assert isinstance(await house.known("hero"), Busy)
    assert not isinstance(mine, Settled | Busy)
    assert not isinstance(await house.known("card"), Settled | Busy)


async def test_a_preview_that_is_found_leaves_its_siblings_to_others() -> None:
    """Nothing is invoked, and their leases are given back."""
    house = Gallery()
    house.store.objects["prew/thumb/a.jpg"] = made(b"was there")
    assert (await house.ask("thumb")).source is Source.FOUND
    await house.landed()

    assert house.resizer.calls == []
    assert not isinstance(await house.known("card"), Settled | Busy)


async def test_two_that_want_each_other_do_not_stand_still() -> None:
    """Thumb and card, asked for at once in two replicas, are each in the other's list: both are made."""
    board, store = LocalBoard(), FakeStore()
    here, there = Gallery(board, store), Gallery(board, store)
    for house in (here, there):
        house.resizer.gate.set()
    answers = await asyncio.gather(here.ask("thumb"), there.ask("card"))

    assert all(isinstance(answer.made, Made) for answer in answers)
    assert {"prew/card/a.jpg", "prew/thumb/a.jpg"} <= store.objects.keys()


async def test_a_function_that_knows_no_siblings_keeps_nobody_waiting() -> None:
    """Its answer names none: their leases are given back at once, and who waits makes the preview."""
    house = Gallery()
    house.resizer.knows_siblings = False
    thumb = house.ask("thumb")
    await house.resizer.entered.wait()
    card = house.ask("card")
    house.resizer.gate.set()
    await thumb

    assert (await card).made.body == b"prew/card/a.jpg made by call 2"


async def test_a_sibling_fails_alone() -> None:
    """Its failure is its own, remembered for those who want it; the others are made."""
    house = Gallery()
    house.resizer.failures["card"] = Failure("too_large", "for this preset")
    house.resizer.gate.set()
    await house.ask("thumb")
    await house.landed()

    assert await house.known("card") == Settled(Failure("too_large", "for this preset"))
    assert {"prew/thumb/a.jpg", "prew/hero/a.jpg"} == house.store.objects.keys()


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (OriginalMissing("x"), {"card", "hero"}),
        (OriginalCorrupt("x"), {"card"}),
        (ResizerFailed("x"), set()),
    ],
)
async def test_the_photos_fault_is_everybodys(error: PreviewFailed, known: set[str]) -> None:
    """A missing photo is missing for all, a damaged one may do for `best_effort`; other failures say nothing of it."""
    house = Gallery(error=error)
    house.resizer.gate.set()
    with pytest.raises(type(error)):
        await house.ask("thumb")
    await house.landed()
    told = {preset: await house.known(preset) for preset in ("card", "hero")}

    assert {preset for preset, each in told.items() if isinstance(each, Settled)} == known
    assert not any(isinstance(each, Busy) for each in told.values())


async def test_closing_gives_the_siblings_back() -> None:
    """A flight that outlasts the grace time leaves no lease behind, its siblings' neither."""
    house = Gallery()
    thumb = house.ask("thumb")
    await house.resizer.entered.wait()
    assert isinstance(await house.known("card"), Busy)
    await house.coalescer.close(grace_s=0)
    await asyncio.gather(thumb, return_exceptions=True)

    assert not isinstance(await house.known("card"), Settled | Busy)


async def test_another_replica_hears_of_a_sibling_through_redis(redis_server: Redis) -> None:
    """Who waits there for the card gets what the thumb's invocation made, and streams it from the bucket."""
    async with RedisClient.from_url(redis_server.url) as client:
        await client.flushall()
        news, store = RedisNews(client, CHANNEL), FakeStore()
        async with news.listening():
            board = RedisBoard(client, news, namespace="siblings", lease_s=5, max_body_bytes=1000)
            here, there = Gallery(board, store), Gallery(board, store)
            thumb = here.ask("thumb")
            await here.resizer.entered.wait()
            cards = [there.ask("card") for _ in range(5)]
            await until(lambda: there.observer.waiters == 5)
            here.resizer.gate.set()
            await thumb
            answers = await asyncio.gather(*cards)

    assert (len(here.resizer.calls), there.resizer.calls) == (1, [])
    assert {answer.made.body for answer in answers} <= {None, store.objects["prew/card/a.jpg"].body}
    assert {answer.made.etag for answer in answers} == {store.objects["prew/card/a.jpg"].etag}


class CountedRedis(RedisClient):
    """Counts its commands."""

    sent: int = 0

    async def execute_command(self, *args: object, **options: object) -> object:
        self.sent += 1
        return await super().execute_command(*args, **options)


async def test_commands_to_redis_are_two_for_each(redis_server: Redis) -> None:
    """One claim and one settlement, for the wanted preview and for each sibling, however many wait."""
    async with CountedRedis.from_url(redis_server.url) as client:
        await client.flushall()
        news = RedisNews(client, CHANNEL)
        async with news.listening():
            house = Gallery(RedisBoard(client, news, namespace="siblings", lease_s=5, max_body_bytes=1000))
            house.resizer.gate.set()
            await house.ask("hero")  # which loads the script
            await house.landed()
            house.store.objects.clear()
            await client.flushall()
            client.sent = 0
            await asyncio.gather(*(house.ask("thumb") for _ in range(20)))
            await house.landed()

            sent = client.sent
            assert isinstance(await house.known("hero"), Settled)

    assert len(house.store.objects) == 3
    assert sent == 2 * 3
