"""Previews of one photo that are made in one invocation: with fakes of the ports and gates, and over a real Redis."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.adapters.redis.flight_store import CHANNEL, RedisFlightStore
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.errors import PhotoCorrupt, PhotoMissing, PreviewFailed, ResizerFailed
from prewmanager.flights.lease import Timing
from prewmanager.flights.ports import FlightStore, Lease
from prewmanager.flights.result import Answer, Completed, Held
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.outcome import Failure, Made, Source
from prewmanager.previews.variants import all_variants
from prewmanager_presets import Preset
from tests.support.fakes import FakeStore, made, until
from tests.support.replica import InMemoryReplica

PRESETS = {
    "thumb": Preset(width=200, companions=("card", "hero")),
    "card": Preset(width=720, companions=("thumb",)),
    "hero": Preset(width=1600, best_effort=True),
    "auto": Preset(width=100, format="auto", dpr=(2,), companions=("fine", "card")),
    "fine": Preset(width=300, format="auto"),
}
CATALOGUE = Catalogue(all_variants(PRESETS), "photo", "prew")
TIMING = Timing(lease_s=5, lock_ttl_s=20, invoke_s=5, wait_s=15, first_poll_s=0.001, longest_poll_s=0.005)


class Gallery(InMemoryReplica):
    """One replica with these presets, asked for one photo."""

    def __init__(
        self, flight_store: FlightStore | None = None, store: FakeStore | None = None, error: Exception | None = None
    ) -> None:
        super().__init__(flight_store, catalogue=CATALOGUE, store=store, error=error, timing=TIMING)

    def ask(self, preset: str = "thumb") -> asyncio.Task[Answer]:
        return super().ask(f"/prew/{preset}/a.jpg")

    async def completed(self) -> None:
        """Return when nothing flies any more."""
        await until(lambda: not self.coalescer.in_flight())

    async def known(self, preset: str) -> Lease | Completed | Held:
        """What the board says of a preview."""
        return await self.flight_store.acquire(CATALOGUE.resolve(f"/prew/{preset}/a.jpg").flight_key)


@pytest.mark.parametrize(
    ("wanted", "companions"),
    [
        ("thumb", ["card", "hero"]),
        ("hero", []),
        ("auto", ["fine", "card"]),
        ("auto.webp", ["fine.webp", "card"]),
        ("auto@2x.avif", ["fine.avif", "card"]),
    ],
)
def test_siblings_are_of_the_same_kind(wanted: str, companions: list[str]) -> None:
    """Whoever shows a thumb in one format wants the card in that format, where there is such a variant."""
    found = CATALOGUE.companions(CATALOGUE.resolve(f"/prew/{wanted}/a.jpg"))

    assert [(each.preset_name, each.photo_key) for each in found] == [(name, "photo/a.jpg") for name in companions]


def test_what_is_made_along_changes_no_preview() -> None:
    """The fingerprint stays, so that nothing has to be made anew."""
    assert Preset(width=1, companions=("card",)).fingerprint == Preset(width=1).fingerprint


async def test_one_invocation_serves_the_waiters_of_all() -> None:
    """Those who want a card wait for the thumb's invocation, here and in another replica; all is in the bucket then."""
    flight_store, store = MemoryFlightStore(), FakeStore()
    here, there = Gallery(flight_store, store), Gallery(flight_store, store)
    thumbs = [here.ask("thumb") for _ in range(5)]
    await here.resizer.entered.wait()
    others = [replica.ask(preset) for replica in (here, there) for preset in ("card", "hero") for _ in range(5)]
    await until(lambda: here.observer.waiters + there.observer.waiters == 25)
    here.resizer.gate.set()
    await asyncio.gather(*thumbs)
    answers = await asyncio.gather(*others)

    assert (here.resizer.calls, there.resizer.calls) == (["prew/thumb/a.jpg"], [])
    assert sorted(store.objects) == ["prew/card/a.jpg", "prew/hero/a.jpg", "prew/thumb/a.jpg"]
    assert {answer.source for answer in answers} <= {Source.JOINED, Source.FOUND}
    told = {(key, source) for key, _, source in here.observer.flights}
    assert {("prew/card/a.jpg", Source.COMPANION), ("prew/hero/a.jpg", Source.COMPANION)} <= told


async def test_what_is_there_or_under_way_is_left_alone() -> None:
    """Of the siblings only those are made that nobody has, makes or remembers; each lease ends with the flight."""
    replica = Gallery()
    replica.store.objects["prew/card/a.jpg"] = made(b"was there")
    mine = await replica.known("hero")
    replica.resizer.gate.set()
    await replica.ask("thumb")
    await replica.completed()

    assert replica.store.objects["prew/card/a.jpg"].body == b"was there"
    assert "prew/hero/a.jpg" not in replica.store.objects
    assert isinstance(await replica.known("hero"), Held)
    assert not isinstance(mine, Completed | Held)
    assert not isinstance(await replica.known("card"), Completed | Held)


async def test_a_preview_that_is_found_leaves_its_siblings_to_others() -> None:
    """Nothing is invoked, and their leases are given back."""
    replica = Gallery()
    replica.store.objects["prew/thumb/a.jpg"] = made(b"was there")
    assert (await replica.ask("thumb")).source is Source.FOUND
    await replica.completed()

    assert replica.resizer.calls == []
    assert not isinstance(await replica.known("card"), Completed | Held)


async def test_two_that_want_each_other_do_not_stand_still() -> None:
    """Thumb and card, asked for at once in two replicas, are each in the other's list: both are made."""
    flight_store, store = MemoryFlightStore(), FakeStore()
    here, there = Gallery(flight_store, store), Gallery(flight_store, store)
    for replica in (here, there):
        replica.resizer.gate.set()
    answers = await asyncio.gather(here.ask("thumb"), there.ask("card"))

    assert all(isinstance(answer.made, Made) for answer in answers)
    assert {"prew/card/a.jpg", "prew/thumb/a.jpg"} <= store.objects.keys()


async def test_a_function_that_knows_no_siblings_keeps_nobody_waiting() -> None:
    """Its answer names none: their leases are given back at once, and who waits makes the preview."""
    replica = Gallery()
    replica.resizer.knows_companions = False
    thumb = replica.ask("thumb")
    await replica.resizer.entered.wait()
    card = replica.ask("card")
    replica.resizer.gate.set()
    await thumb

    assert (await card).made.body == b"prew/card/a.jpg made by call 2"


async def test_a_sibling_fails_alone() -> None:
    """Its failure is its own, remembered for those who want it; the others are made."""
    replica = Gallery()
    replica.resizer.failures["card"] = Failure("too_large", "for this preset")
    replica.resizer.gate.set()
    await replica.ask("thumb")
    await replica.completed()

    assert await replica.known("card") == Completed(Failure("too_large", "for this preset"))
    assert {"prew/thumb/a.jpg", "prew/hero/a.jpg"} == replica.store.objects.keys()


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (PhotoMissing("x"), {"card", "hero"}),
        (PhotoCorrupt("x"), {"card"}),
        (ResizerFailed("x"), set()),
    ],
)
async def test_the_photos_fault_is_everybodys(error: PreviewFailed, known: set[str]) -> None:
    """A missing photo is missing for all, a damaged one may do for `best_effort`; other failures say nothing of it."""
    replica = Gallery(error=error)
    replica.resizer.gate.set()
    with pytest.raises(type(error)):
        await replica.ask("thumb")
    await replica.completed()
    told = {preset: await replica.known(preset) for preset in ("card", "hero")}

    assert {preset for preset, each in told.items() if isinstance(each, Completed)} == known
    assert not any(isinstance(each, Held) for each in told.values())


async def test_closing_gives_the_siblings_back() -> None:
    """A flight that outlasts the grace time leaves no lease behind, its siblings' neither."""
    replica = Gallery()
    thumb = replica.ask("thumb")
    await replica.resizer.entered.wait()
    assert isinstance(await replica.known("card"), Held)
    await replica.coalescer.close(grace_s=0)
    await asyncio.gather(thumb, return_exceptions=True)

    assert not isinstance(await replica.known("card"), Completed | Held)


async def test_another_replica_hears_of_a_sibling_through_redis(redis_server: Redis) -> None:
    """Who waits there for the card gets what the thumb's invocation made, and streams it from the bucket."""
    async with RedisClient.from_url(redis_server.url) as client:
        await client.flushall()
        notifications, store = RedisNotifications(client, CHANNEL), FakeStore()
        async with notifications.listening():
            flight_store = RedisFlightStore(
                client, notifications, namespace="companions", lease_s=5, max_body_bytes=1000
            )
            here, there = Gallery(flight_store, store), Gallery(flight_store, store)
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
        notifications = RedisNotifications(client, CHANNEL)
        async with notifications.listening():
            replica = Gallery(
                RedisFlightStore(client, notifications, namespace="companions", lease_s=5, max_body_bytes=1000)
            )
            replica.resizer.gate.set()
            await replica.ask("hero")  # which loads the script
            await replica.completed()
            replica.store.objects.clear()
            await client.flushall()
            client.sent = 0
            await asyncio.gather(*(replica.ask("thumb") for _ in range(20)))
            await replica.completed()

            sent = client.sent
            assert isinstance(await replica.known("hero"), Completed)

    assert len(replica.store.objects) == 3
    assert sent == 2 * 3
