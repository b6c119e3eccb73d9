"""Companions: previews of one photo, rendered in one invocation."""

from __future__ import annotations

import asyncio

import pytest

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.errors import FlightStoreUnavailable, PhotoCorrupt, PhotoMissing, PreviewFailed, ResizerFailed
from prewmanager.flights.lease import Timing
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Failure, Made, Outcome, Source
from prewmanager_presets import Preset
from tests.support.fake_time import pass_time
from tests.support.fakes import FakeStore, RecordingLease, made, until
from tests.support.replica import GALLERY, Gallery


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
def test_companions_have_the_previews_format_where_there_is_such_a_variant(wanted: str, companions: list[str]) -> None:
    found = GALLERY.companions(GALLERY.resolve(f"/prew/{wanted}/a.jpg"))

    assert [(each.preset_name, each.photo_key) for each in found] == [(name, "photo/a.jpg") for name in companions]


def test_companions_are_no_part_of_the_fingerprint() -> None:
    assert Preset(width=1, companions=("card",)).fingerprint == Preset(width=1).fingerprint


async def test_one_invocation_serves_the_waiters_of_all() -> None:
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
    reported = {(key, source) for key, _, source in here.observer.flights}
    assert {("prew/card/a.jpg", Source.COMPANION), ("prew/hero/a.jpg", Source.COMPANION)} <= reported


async def test_companions_that_are_stored_or_in_flight_are_left_alone() -> None:
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


async def test_a_preview_that_is_found_releases_its_companions() -> None:
    replica = Gallery()
    replica.store.objects["prew/thumb/a.jpg"] = made(b"was there")
    assert (await replica.ask("thumb")).source is Source.FOUND
    await replica.completed()

    assert replica.resizer.calls == []
    assert not isinstance(await replica.known("card"), Completed | Held)


async def test_two_that_are_each_others_companions_do_not_deadlock() -> None:
    flight_store, store = MemoryFlightStore(), FakeStore()
    here, there = Gallery(flight_store, store), Gallery(flight_store, store)
    for replica in (here, there):
        replica.resizer.gate.set()
    answers = await asyncio.gather(here.ask("thumb"), there.ask("card"))

    assert all(isinstance(answer.made, Made) for answer in answers)
    assert {"prew/card/a.jpg", "prew/thumb/a.jpg"} <= store.objects.keys()


async def test_companions_that_the_function_does_not_know_are_released_at_once() -> None:
    replica = Gallery()
    replica.resizer.knows_companions = False
    thumb = replica.ask("thumb")
    await replica.resizer.entered.wait()
    card = replica.ask("card")
    replica.resizer.gate.set()
    await thumb

    assert (await card).made.body == b"prew/card/a.jpg made by call 2"


async def test_a_companion_fails_alone() -> None:
    replica = Gallery()
    replica.resizer.failures["card"] = Failure("too_large", "for this preset")
    replica.resizer.gate.set()
    await replica.ask("thumb")
    await replica.completed()

    assert await replica.known("card") == Completed(Failure("too_large", "for this preset"))
    assert {"prew/thumb/a.jpg", "prew/hero/a.jpg"} == replica.store.objects.keys()


@pytest.mark.parametrize(
    ("error", "known"),
    [(PhotoMissing("x"), {"card", "hero"}), (PhotoCorrupt("x"), {"card"}), (ResizerFailed("x"), set())],
)
async def test_a_failure_of_the_photo_is_its_companions_as_well(error: PreviewFailed, known: set[str]) -> None:
    """A missing photo is missing for all; a damaged one may suffice for `best_effort`."""
    replica = Gallery(error=error)
    replica.resizer.gate.set()
    with pytest.raises(type(error)):
        await replica.ask("thumb")
    await replica.completed()
    found = {preset: await replica.known(preset) for preset in ("card", "hero")}

    assert {preset for preset, each in found.items() if isinstance(each, Completed)} == known
    assert not any(isinstance(each, Held) for each in found.values())


async def test_a_flight_that_outlasts_the_grace_time_releases_its_companions() -> None:
    replica = Gallery()
    thumb = replica.ask("thumb")
    await replica.resizer.entered.wait()
    assert isinstance(await replica.known("card"), Held)
    await replica.coalescer.close(grace_s=0)
    await asyncio.gather(thumb, return_exceptions=True)

    assert not isinstance(await replica.known("card"), Completed | Held)


async def test_the_leases_of_companions_are_renewed_until_they_complete() -> None:
    loop = asyncio.get_running_loop()
    timing = Timing(lease_s=3, lock_ttl_s=60, invoke_s=50, wait_s=100)
    replica = Gallery(MemoryFlightStore(loop.time, lease_s=3), timing=timing)
    thumb = replica.ask("thumb")
    await replica.resizer.entered.wait()
    await pass_time(20)
    assert isinstance(await replica.known("card"), Held)
    replica.resizer.gate.set()
    await thumb
    await replica.completed()

    assert not isinstance(await replica.known("card"), Completed | Held)


class LeaseStore(MemoryFlightStore):
    """A flight store with this lease for each companion."""

    def __init__(self, lease: RecordingLease) -> None:
        super().__init__()
        self.lease = lease

    async def acquire(self, key: str, *, waits: bool = True) -> Lease | Completed | Held:
        """Return the preview's own lease first."""
        return self.lease if self._flights else await super().acquire(key, waits=waits)


async def test_repeated_cancellation_does_not_stop_the_release_of_companions() -> None:
    lease = RecordingLease()
    replica = Gallery(LeaseStore(lease))
    thumb = replica.ask("thumb")
    await replica.resizer.entered.wait()
    lease.gate.clear()
    closing = asyncio.create_task(replica.coalescer.close(grace_s=0))
    await pass_time(2)  # a task that does not end is cancelled again and again
    assert (lease.releases, lease.released) == (2, False)
    lease.gate.set()
    await asyncio.gather(closing, thumb, return_exceptions=True)
    await pass_time(1)
    assert lease.released


class SlowLease(RecordingLease):
    """Its outcome never reaches the flight store, nor does its first release."""

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:  # noqa: ARG002 -- a fake
        await asyncio.get_running_loop().create_future()
        return True

    async def release(self) -> None:
        self.releases += 1
        if self.releases == 1 and not self.gate.is_set():
            await asyncio.get_running_loop().create_future()
        self.released = True


async def test_a_companion_whose_completion_is_cancelled_is_released() -> None:
    lease = SlowLease()
    replica = Gallery(LeaseStore(lease))
    replica.resizer.gate.set()
    await replica.ask("card")
    await pass_time(0.1)
    await replica.coalescer.close(grace_s=0)

    assert lease.released


async def test_a_companion_whose_release_is_cancelled_is_released_again() -> None:
    lease = SlowLease()
    lease.gate.clear()
    replica = Gallery(LeaseStore(lease))
    replica.store.objects["prew/thumb/a.jpg"] = made()
    card = replica.ask("card")
    await until(lambda: lease.releases == 1)
    await replica.coalescer.close(grace_s=0)
    await asyncio.gather(card, return_exceptions=True)

    assert lease.released


class UnavailableStore(MemoryFlightStore):
    """A flight store that becomes unavailable after the lease of the preview itself."""

    async def acquire(self, key: str, *, waits: bool = True) -> Lease | Completed | Held:
        if self._flights:
            raise FlightStoreUnavailable(key)
        return await super().acquire(key, waits=waits)


async def test_without_the_flight_store_a_preview_is_rendered_alone() -> None:
    replica = Gallery(UnavailableStore())
    replica.resizer.gate.set()
    await replica.ask("thumb")

    assert replica.store.objects.keys() == {"prew/thumb/a.jpg"}


async def test_a_failed_existence_check_renders_the_companion() -> None:
    replica = Gallery()
    replica.store.broken = True
    replica.resizer.gate.set()
    await replica.ask("thumb")

    assert {"prew/card/a.jpg", "prew/hero/a.jpg"} < replica.store.objects.keys()
