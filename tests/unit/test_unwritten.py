"""Previews that are answered before they are written: when that may be, and what becomes of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Made, Outcome, Source
from tests.support.fake_time import pass_time
from tests.support.fakes import FakeStore, RecordingLease, made
from tests.support.replica import GALLERY, InMemoryReplica

CARD = "/prew/card/a.jpg"
KEY = "prew/card/a.jpg"
UNWRITTEN_S = 0.4  # the replica's: S3 is asked after 0.2 s, and again after 0.4 s
CAN = frozenset({"answer_first"})


class KeepingLease(RecordingLease):
    """A lease whose flight store keeps previews, and records what it gets."""

    keeps_previews = True

    def __init__(self, *, has_room: bool = True) -> None:
        super().__init__()
        self.has_room = has_room
        self.completed: list[tuple[Outcome, float]] = []
        self.replaced: list[tuple[Outcome | None, float]] = []

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        self.completed.append((outcome, ttl_s))
        return self.has_room or (isinstance(outcome, Made) and outcome.stored)

    async def replace(self, outcome: Outcome | None, ttl_s: float) -> None:
        self.replaced.append((outcome, ttl_s))


class KeepingStore(MemoryFlightStore):
    """A flight store that has this lease for everybody."""

    def __init__(self, lease: Lease) -> None:
        super().__init__()
        self.lease = lease

    async def acquire(self, key: str, *, waits: bool = True) -> Lease | Completed | Held:  # noqa: ARG002 -- one lease
        return self.lease


async def _answered_first(replica: InMemoryReplica) -> Made:
    """Return the preview, which the resizer is asked to answer first once it says that it can."""
    replica.resizer.can = CAN
    replica.resizer.gate.set()
    await replica.ask("/prew/card/before.jpg")
    await pass_time(0)
    return (await replica.ask(CARD)).made


def _replica(lease: KeepingLease | None = None, **parts: object) -> tuple[InMemoryReplica, KeepingLease]:
    lease = lease or KeepingLease()
    return InMemoryReplica(KeepingStore(lease), **parts), lease  # type: ignore[arg-type]  # the replica's own


async def test_the_resizer_is_asked_once_it_says_that_it_can() -> None:
    replica, lease = _replica()
    answer = await _answered_first(replica)
    await pass_time(0)

    assert replica.resizer.asked_to_answer_first == [False, True]
    assert (answer.stored, answer.etag) == (False, "")
    assert lease.completed[-1] == (answer, UNWRITTEN_S)


async def test_a_resizer_that_cannot_any_more_is_asked_no_more() -> None:
    replica, _ = _replica()
    await _answered_first(replica)
    replica.resizer.can = frozenset()
    for name in ("b", "c"):
        await replica.ask(f"/prew/card/{name}.jpg")

    assert replica.resizer.asked_to_answer_first == [False, True, True, False]


@pytest.mark.parametrize("reason", ["no Redis", "no room in memory", "too many", "the store may show late"])
async def test_where_the_bytes_cannot_be_served_meanwhile_the_write_comes_first(reason: str) -> None:
    replica, lease = _replica(
        memory_bytes=0 if reason == "no room in memory" else 1000,
        most_unwritten=0 if reason == "too many" else 10,
        unseen_s=10 if reason == "the store may show late" else 0,
    )
    lease.keeps_previews = reason != "no Redis"
    replica.store.late = 1000
    answer = await _answered_first(replica)

    assert replica.resizer.asked_to_answer_first == [False, False]
    assert answer.etag


async def test_a_preview_with_companions_is_written_first() -> None:
    lease = KeepingLease()
    replica = InMemoryReplica(KeepingStore(lease), catalogue=GALLERY)
    replica.resizer.can = CAN
    replica.resizer.gate.set()
    for path in ("/prew/hero/a.jpg", "/prew/thumb/a.jpg", "/prew/hero/b.jpg"):
        await replica.ask(path)

    assert replica.resizer.asked_to_answer_first == [False, False, True]


async def test_one_in_a_hundred_is_written_first_and_asked_for_right_after() -> None:
    """S3 cannot show at once what is not written yet."""
    replica, _ = _replica(unseen_s=10, most_unwritten=200)
    await _answered_first(replica)
    for number in range(101):
        await replica.ask(f"/prew/card/{number}.jpg")
        await pass_time(0)
    asked = replica.resizer.asked_to_answer_first

    assert (asked[0], asked[1:101].count(True), asked[101], asked[102]) == (False, 100, False, True)


async def test_a_write_that_is_reported_leaves_the_result_without_its_bytes() -> None:
    replica, lease = _replica()
    replica.resizer.reports = True
    answer = await _answered_first(replica)
    requests = replica.store.requests
    _report(replica, succeeded=True)
    await pass_time(0.01)

    assert lease.replaced == [(replace(answer, stored=True, body=None), 30)]
    assert replica.store.requests == requests
    assert replica.observer.lost == []


@pytest.mark.fault("write-lost")
async def test_a_write_that_failed_is_evicted_at_once_and_counted() -> None:
    replica, lease = _replica()
    replica.resizer.reports = True
    await _answered_first(replica)
    _report(replica, succeeded=False)
    await pass_time(0.01)

    assert lease.replaced == [(None, 0)]
    assert replica.observer.lost == [KEY]


@pytest.mark.fault("write-lost")
@pytest.mark.parametrize("reports", [False, True])
async def test_without_a_report_s3_is_asked_once_and_again_before_a_preview_is_lost(*, reports: bool) -> None:
    """As where the worker is killed that would report."""
    replica, lease = _replica()
    replica.resizer.reports = reports
    await _answered_first(replica)
    before = replica.store.requests
    await pass_time(UNWRITTEN_S - 0.01)
    assert (lease.replaced, replica.store.requests - before) == ([], 1)
    await pass_time(0.02)

    assert (lease.replaced, replica.store.requests - before) == ([(None, 0)], 2)
    assert replica.observer.lost == [KEY]


@pytest.mark.fault("photo-changed")
async def test_where_the_photo_has_changed_meanwhile_the_old_preview_is_evicted_soon_and_not_lost() -> None:
    """The function has checked the photo after the write, and deleted what it wrote."""
    replica, lease = _replica()
    await _answered_first(replica)
    await replica.photos.changed("photo/a.jpg")
    await pass_time(UNWRITTEN_S / 2 + 0.01)

    assert lease.replaced == [(None, 0)]
    assert replica.observer.lost == []


async def test_a_preview_that_s3_has_is_asked_for_once() -> None:
    replica, lease = _replica()
    answer = await _answered_first(replica)
    replica.store.objects[KEY] = made()
    before = replica.store.requests
    await pass_time(2 * UNWRITTEN_S)

    assert replica.store.requests - before == 1
    assert lease.replaced == [(replace(answer, stored=True, body=None), 30)]


async def test_where_s3_does_not_say_nothing_is_evicted_or_counted() -> None:
    replica, lease = _replica()
    await _answered_first(replica)
    replica.store.broken = True
    await pass_time(2 * UNWRITTEN_S)

    assert (lease.replaced, replica.observer.lost) == ([], [])


async def test_a_late_write_is_found_by_the_second_check() -> None:
    replica, lease = _replica()
    await _answered_first(replica)
    await pass_time(UNWRITTEN_S - 0.01)
    replica.store.objects[KEY] = made()
    await pass_time(0.02)

    assert [outcome is not None for outcome, _ in lease.replaced] == [True]
    assert replica.observer.lost == []


@pytest.mark.fault("full-of-bodies")
@pytest.mark.parametrize("written", [True, False])
async def test_where_redis_does_not_get_the_bytes_the_flight_goes_on_until_s3_has_them(*, written: bool) -> None:
    """Who asks this replica has them meanwhile; other replicas wait for the lease."""
    lease = KeepingLease(has_room=False)
    replica, _ = _replica(lease)
    answer = await _answered_first(replica)
    await pass_time(0.05)
    joined = await replica.ask(CARD)
    if written:
        replica.store.objects[KEY] = made()
    await pass_time(2 * UNWRITTEN_S)

    assert (joined.made.body, joined.source) == (answer.body, Source.JOINED)
    assert lease.completed[-1][0] == replace(answer, stored=written)
    assert (replica.observer.lost, lease.releases) == ([] if written else [KEY], 0 if written else 1)


async def test_an_unwritten_preview_keeps_its_bytes_beyond_the_budget() -> None:
    """S3 does not have them."""
    replica, _ = _replica(memory_bytes=1)
    answer = await _answered_first(replica)

    assert answer.body == b"prew/card/a.jpg made by call 2"


@pytest.mark.parametrize(("reports", "lost"), [(True, [KEY]), (False, [])])
async def test_at_the_end_what_workers_have_not_written_is_lost(*, reports: bool, lost: list[str]) -> None:
    """Lambda's writes go on without this process."""
    replica, lease = _replica()
    replica.resizer.reports = reports
    await _answered_first(replica)
    await replica.unwritten.close(grace_s=0.1)

    assert replica.observer.lost == lost
    assert lease.replaced == []


async def test_the_end_waits_for_a_workers_write() -> None:
    replica, lease = _replica()
    replica.resizer.reports = True
    await _answered_first(replica)
    closing = asyncio.create_task(replica.unwritten.close(grace_s=0.15))
    await pass_time(0.1)
    _report(replica, succeeded=True)
    await closing

    assert replica.observer.lost == []
    assert len(lease.replaced) == 1


async def test_s3_is_asked_for_eight_at_once() -> None:
    """Nobody waits for these answers."""

    class Slow(FakeStore):
        at_once = most_at_once = 0

        async def exists(self, key: str) -> bool | None:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(1)
            self.at_once -= 1
            return await super().exists(key)

    store = Slow()
    replica, lease = _replica(store=store, most_unwritten=30)
    await _answered_first(replica)
    await asyncio.gather(*(replica.ask(f"/prew/card/{number}.jpg") for number in range(20)))
    store.objects |= {f"prew/card/{number}.jpg": made() for number in (*range(20), "a")}
    await pass_time(10)

    assert store.most_at_once == 8
    assert len(lease.replaced) == 21


def _report(replica: InMemoryReplica, *, succeeded: bool) -> None:
    write = replica.resizer.writes[-1]
    assert write is not None
    write.set_result(succeeded)
