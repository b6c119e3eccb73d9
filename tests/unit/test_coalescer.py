"""The coalescer on fakes of its ports, with gates, and a time that passes only when no task can run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import NoReturn

import pytest

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.errors import (
    DeadlineExceeded,
    Overloaded,
    PhotoMissing,
    QuotaExceeded,
    ReplicaFailed,
    ResizerFailed,
    StorageFailed,
)
from prewmanager.flights.lease import Timing
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Answer, Completed, Held
from prewmanager.previews.outcome import Made, Outcome, Source
from tests.support.fake_time import pass_time
from tests.support.fakes import FakeClock, FakeStore, RecordingLease, made, preview, until
from tests.support.replica import InMemoryReplica


async def test_all_who_wait_get_one_result_of_one_call() -> None:
    replica = InMemoryReplica()
    requests = [replica.ask() for _ in range(500)]
    await replica.resizer.entered.wait()
    replica.resizer.gate.set()
    answers = await asyncio.gather(*requests)

    assert len(replica.resizer.calls) == 1
    assert {answer.made.body for answer in answers} == {b"prew/card/a.jpg made by call 1"}
    assert sorted(str(answer.source) for answer in answers) == ["joined"] * 499 + ["made"]


async def test_each_photo_and_preset_has_a_flight_of_its_own() -> None:
    replica = InMemoryReplica()
    replica.resizer.gate.set()
    paths = ["/prew/card/a.jpg", "/prew/card/b.jpg", "/prew/thumb/a.jpg"]
    answers = await asyncio.gather(*map(replica.ask, paths))

    assert len(replica.resizer.calls) == 3
    assert len({answer.made.body for answer in answers}) == 3


async def test_replicas_on_one_flight_store_render_once() -> None:
    flight_store, store = MemoryFlightStore(), FakeStore()
    replicas = [InMemoryReplica(flight_store, store=store) for _ in range(3)]
    requests = [replica.ask() for replica in replicas for _ in range(20)]
    await until(lambda: any(replica.resizer.calls for replica in replicas))
    for replica in replicas:
        replica.resizer.gate.set()
    answers = await asyncio.gather(*requests)

    assert sum(len(replica.resizer.calls) for replica in replicas) == 1
    assert len({answer.made.body for answer in answers}) == 1


class LeaseStore(MemoryFlightStore):
    """A flight store whose only lease is this one, and free."""

    def __init__(self, lease: RecordingLease) -> None:
        super().__init__()
        self.lease = lease

    async def acquire(self, key: str, *, waits: bool = True) -> Lease:  # noqa: ARG002 -- it has one flight
        return self.lease


class CachingStore(MemoryFlightStore):
    """A flight store with a preview in its cache, as in shared ones."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.cached: Outcome | None = outcome

    async def acquire(self, key: str, *, waits: bool = True) -> Lease | Completed | Held:
        return Completed(self.cached) if self.cached else await super().acquire(key, waits=waits)

    async def evict(self, key: str, completed: Completed | None) -> bool:  # noqa: ARG002 -- one flight
        assert completed is not None
        assert completed.outcome is self.cached
        self.cached = None
        return True


@pytest.mark.parametrize(("waiters", "answered"), [(1, 1), (2, 0), (600, 0)])
async def test_one_answer_comes_before_the_flight_store_gets_the_result_and_many_after(
    waiters: int, answered: int
) -> None:
    """An answer takes less time than a command to Redis; with hundreds of them the other replicas would wait."""
    requests: list[asyncio.Task[Answer]] = []
    answered_before: list[int] = []
    lease = RecordingLease(on_complete=lambda: answered_before.append(sum(request.done() for request in requests)))
    replica = InMemoryReplica(LeaseStore(lease))
    requests += [replica.ask() for _ in range(waiters)]
    await replica.resizer.entered.wait()
    replica.resizer.gate.set()
    await asyncio.gather(*requests)
    await until(lambda: bool(answered_before))

    assert answered_before == [answered]


@pytest.mark.fault("preview-purged")
async def test_a_cached_preview_that_was_purged_is_rendered_anew() -> None:
    replica = InMemoryReplica(CachingStore(made(b"before the purge")))
    replica.resizer.gate.set()
    answer = await replica.ask()

    assert (answer.made.body, answer.source) == (b"prew/card/a.jpg made by call 1", Source.MADE)


async def test_a_cached_preview_is_read_from_the_bucket() -> None:
    replica = InMemoryReplica(CachingStore(made(b"as it was")))
    replica.store.objects["prew/card/a.jpg"] = made(b"as it is")
    answer = await replica.ask()

    assert (answer.made.body, answer.source) == (b"as it is", Source.FOUND)
    assert replica.resizer.calls == []


async def test_a_preview_that_the_bucket_may_not_show_yet_is_served_unchecked() -> None:
    replica = InMemoryReplica(CachingStore(replace(made(b"not there yet"), stored=False)))
    answer = await replica.ask()

    assert (answer.made.body, answer.made.cache_control) == (b"not there yet", "no-store")
    assert replica.resizer.calls == []


@pytest.mark.fault("full-of-bodies")
async def test_where_there_is_no_room_for_its_bytes_a_flight_goes_on_until_the_bucket_shows_its_preview() -> None:
    completed: list[Outcome] = []
    lease = RecordingLease()

    class NoRoom(RecordingLease):
        async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
            completed.append(outcome)
            return await lease.complete(outcome, ttl_s) and isinstance(outcome, Made) and outcome.stored

    replica = InMemoryReplica(LeaseStore(NoRoom()), unseen_s=30)
    replica.store.late = 3
    replica.resizer.gate.set()
    answer = await replica.ask()
    await pass_time(1)

    assert completed == [replace(answer.made, stored=False), replace(answer.made, stored=True)]


async def test_a_cached_preview_is_served_while_the_bucket_cannot_be_read() -> None:
    replica = InMemoryReplica(CachingStore(made(b"as it was")))
    replica.store.broken = True

    assert (await replica.ask()).made.body == b"as it was"


async def test_a_stored_preview_is_not_rendered_again() -> None:
    replica = InMemoryReplica()
    replica.store.objects["prew/card/a.jpg"] = made(b"was there")
    answer = await replica.ask()

    assert (answer.made.body, answer.source) == (b"was there", Source.FOUND)
    assert replica.resizer.calls == []


@pytest.mark.fault("check-fails")
async def test_a_failed_existence_check_costs_nobody_the_preview() -> None:
    replica = InMemoryReplica()
    replica.store.broken = True
    replica.resizer.gate.set()

    assert (await replica.ask()).source is Source.MADE


async def test_every_waiter_gets_the_failure_as_an_error_of_its_own() -> None:
    replica = InMemoryReplica(error=PhotoMissing("no such key"))
    requests = [replica.ask() for _ in range(10)]
    await replica.resizer.entered.wait()
    replica.resizer.gate.set()
    errors = await asyncio.gather(*requests, return_exceptions=True)
    with pytest.raises(PhotoMissing):
        await replica.ask()

    assert [type(error) for error in errors] == [PhotoMissing] * 10
    assert len({id(error) for error in errors}) == 10
    assert len(replica.resizer.calls) == 1


async def test_after_its_ttl_a_failure_is_tried_again() -> None:
    clock = FakeClock()
    replica = InMemoryReplica(MemoryFlightStore(clock), error=StorageFailed("away"))
    replica.resizer.gate.set()
    with pytest.raises(StorageFailed):
        await replica.ask()
    clock.now += 2.1
    replica.resizer.error = None

    assert (await replica.ask()).source is Source.MADE


@pytest.mark.fault("contract-broken")
async def test_an_unexpected_error_is_a_failed_resize_without_its_text() -> None:
    replica = InMemoryReplica(error=ZeroDivisionError("secret detail"))
    replica.resizer.gate.set()
    with pytest.raises(ResizerFailed) as caught:
        await replica.ask()

    assert "secret" not in caught.value.detail


@pytest.mark.fault("clients-leave")
async def test_no_client_that_disconnects_ends_the_flight() -> None:
    replica = InMemoryReplica()
    requests = [replica.ask() for _ in range(10)]
    await replica.resizer.entered.wait()
    for request in requests[:9]:
        request.cancel()
    await asyncio.gather(*requests[:9], return_exceptions=True)
    replica.resizer.gate.set()

    assert (await requests[9]).made.body == b"prew/card/a.jpg made by call 1"
    assert len(replica.resizer.calls) == 1


@pytest.mark.fault("clients-leave")
async def test_a_flight_without_waiters_completes() -> None:
    replica = InMemoryReplica()
    request = replica.ask()
    await replica.resizer.entered.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    replica.resizer.gate.set()
    await until(lambda: bool(replica.observer.flights))

    assert "prew/card/a.jpg" in replica.store.objects


@pytest.mark.fault("any-order")
async def test_no_request_waits_beyond_its_deadline() -> None:
    replica = InMemoryReplica(timing=Timing(lease_s=1, lock_ttl_s=50, invoke_s=50, wait_s=5))
    with pytest.raises(DeadlineExceeded):
        await replica.ask()

    assert len(replica.resizer.calls) == 1


@pytest.mark.fault("lambda-slow")
async def test_the_invoke_deadline_ends_the_resize_for_all() -> None:
    replica = InMemoryReplica(timing=Timing(lease_s=1, lock_ttl_s=50, invoke_s=5, wait_s=50))
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            await replica.ask()

    assert len(replica.resizer.calls) == 1


@pytest.mark.fault("too-many-flights")
async def test_above_the_bound_a_new_flight_is_overloaded_and_one_in_flight_is_joined() -> None:
    replica = InMemoryReplica(max_flights=2)
    in_flight = [replica.ask("/prew/card/a.jpg"), replica.ask("/prew/card/b.jpg")]
    await until(lambda: len(replica.resizer.calls) == 2)
    with pytest.raises(Overloaded) as caught:
        await replica.ask("/prew/card/c.jpg")
    joining = replica.ask("/prew/card/a.jpg")
    replica.resizer.gate.set()
    answers = await asyncio.gather(*in_flight, joining)

    assert caught.value.retry_after_s is not None
    assert answers[2].source is Source.JOINED


async def test_a_waiting_replica_acquires_an_expired_lease() -> None:
    clock = FakeClock()
    flight_store = MemoryFlightStore(clock, lease_s=30)
    await flight_store.acquire(preview().flight_key)  # by a process that never completes it
    replica = InMemoryReplica(flight_store)
    replica.resizer.gate.set()
    request = replica.ask()
    await pass_time(1)
    assert replica.resizer.calls == []
    clock.now += 31

    assert (await request).source is Source.MADE
    assert replica.observer.takeovers == ["prew/card/a.jpg"]


async def test_a_flight_that_another_process_never_completes_ends_at_the_deadline() -> None:
    flight_store = MemoryFlightStore(FakeClock())
    await flight_store.acquire(preview().flight_key)
    with pytest.raises(DeadlineExceeded):
        await InMemoryReplica(flight_store).ask()


@pytest.mark.fault("lease-lost")
@pytest.mark.fault("few-descriptors")
async def test_a_panic_in_rust_is_a_failure_and_not_the_end_of_the_process() -> None:
    """It is no `Exception`; obstore panics where it gets no file descriptor."""

    class PanicException(BaseException):
        pass

    replica = InMemoryReplica()

    async def panics(key: str) -> NoReturn:
        raise PanicException(key)

    replica.store.find = panics  # type: ignore[method-assign]
    with pytest.raises(ResizerFailed):
        await replica.ask()


async def test_a_lost_lease_costs_its_waiters_nothing() -> None:
    lease = RecordingLease()
    lease.own = False
    replica = InMemoryReplica(LeaseStore(lease))
    replica.resizer.gate.set()

    assert (await replica.ask()).source is Source.MADE


async def test_a_takeover_after_the_invoke_deadline_is_in_time_for_the_waiters() -> None:
    flight_store = MemoryFlightStore(asyncio.get_running_loop().time, lease_s=8)
    await flight_store.acquire(preview().flight_key)  # by a process that never completes it
    replica = InMemoryReplica(flight_store, timing=Timing(lease_s=8, lock_ttl_s=20, invoke_s=5, wait_s=20))
    replica.resizer.gate.set()

    assert (await replica.ask()).source is Source.MADE


@pytest.mark.fault("late-takeover")
async def test_a_takeover_outlasts_its_waiters_and_serves_the_others() -> None:
    """The deadline of one replica's waiters is none for its rendering."""
    flight_store = MemoryFlightStore(asyncio.get_running_loop().time, lease_s=8)
    await flight_store.acquire(preview().flight_key)  # by a process that never completes it
    timing = Timing(lease_s=8, lock_ttl_s=20, invoke_s=5, wait_s=10)
    store = FakeStore()
    early, late = (InMemoryReplica(flight_store, store=store, timing=timing) for _ in range(2))
    first = early.ask()
    await early.resizer.entered.wait()
    second = late.ask()
    with pytest.raises(DeadlineExceeded):
        await first
    early.resizer.gate.set()
    late.resizer.gate.set()

    assert (await second).made.body == b"prew/card/a.jpg made by call 1"
    assert (len(early.resizer.calls), len(late.resizer.calls)) == (1, 0)


@pytest.mark.fault("replica-unable")
async def test_what_a_replica_cannot_do_another_does_for_both() -> None:
    flight_store, store = MemoryFlightStore(), FakeStore()
    unable = InMemoryReplica(flight_store, store=store, error=ReplicaFailed("the clock is an hour off"))
    able = InMemoryReplica(flight_store, store=store)
    first = unable.ask()
    await unable.resizer.entered.wait()
    second = able.ask()
    await pass_time(0.1)
    able.resizer.gate.set()
    unable.resizer.gate.set()
    answers = [await first, await second]

    assert [answer.source for answer in answers] == [Source.FOUND, Source.MADE]
    assert (len(unable.resizer.calls), len(able.resizer.calls)) == (1, 1)


@pytest.mark.fault("replica-unable")
async def test_what_only_a_replica_itself_cannot_do_is_cached_for_nobody() -> None:
    flight_store = MemoryFlightStore()
    unable = InMemoryReplica(flight_store, error=ReplicaFailed("no credentials"))
    unable.resizer.gate.set()
    with pytest.raises(ResizerFailed):
        await unable.ask()
    able = InMemoryReplica(flight_store)
    able.resizer.gate.set()

    assert (await able.ask()).source is Source.MADE
    assert len(unable.resizer.calls) == 1


async def test_work_that_outlasts_its_lease_keeps_it() -> None:
    flight_store, store = MemoryFlightStore(asyncio.get_running_loop().time, lease_s=0.3), FakeStore()
    slow, other = InMemoryReplica(flight_store, store=store), InMemoryReplica(flight_store, store=store)
    first = slow.ask()
    await slow.resizer.entered.wait()
    second = other.ask()
    await pass_time(1.2)
    slow.resizer.gate.set()
    other.resizer.gate.set()
    await asyncio.gather(first, second)

    assert (len(slow.resizer.calls), other.resizer.calls) == (1, [])


async def test_closing_waits_for_flights() -> None:
    replica = InMemoryReplica()
    request = replica.ask()
    await replica.resizer.entered.wait()
    closing = asyncio.create_task(replica.coalescer.close(grace_s=5))
    replica.resizer.gate.set()
    await closing

    assert (await request).source is Source.MADE


@pytest.mark.fault("replica-restarted")
async def test_a_flight_that_outlasts_the_grace_time_is_released_to_another_replica() -> None:
    flight_store, store = MemoryFlightStore(), FakeStore()
    leaving, staying = InMemoryReplica(flight_store, store=store), InMemoryReplica(flight_store, store=store)
    staying.resizer.gate.set()
    unanswered = leaving.ask()
    await leaving.resizer.entered.wait()
    waiting = staying.ask()
    await leaving.coalescer.close(grace_s=0.01)

    assert (await waiting).source is Source.MADE
    with pytest.raises(Overloaded):
        await unanswered


async def test_a_defect_of_the_flight_store_is_a_failed_resize() -> None:
    class BrokenStore(MemoryFlightStore):
        async def acquire(self, key: str, *, waits: bool = True) -> NoReturn:
            raise ZeroDivisionError(key, waits)

    with pytest.raises(ResizerFailed):
        await InMemoryReplica(BrokenStore()).ask()


async def test_waiters_do_not_wait_for_the_flight_store_to_complete() -> None:
    lease = RecordingLease()
    lease.gate.clear()
    replica = InMemoryReplica(LeaseStore(lease))
    replica.resizer.gate.set()
    first, second = await replica.ask(), await replica.ask()
    lease.gate.set()

    assert (first.source, second.source) == (Source.MADE, Source.JOINED)
    assert len(replica.resizer.calls) == 1
    assert replica.observer.waiters == 0


async def test_a_client_beyond_its_quota_leaves_the_flight_to_others() -> None:
    flight_store = MemoryFlightStore()
    greedy = InMemoryReplica(flight_store, error=QuotaExceeded("", 7))
    greedy.resizer.gate.set()
    with pytest.raises(Overloaded) as caught:
        await greedy.ask()
    other = InMemoryReplica(flight_store)
    other.resizer.gate.set()

    assert caught.value.retry_after_s == 7
    assert (await other.ask()).source is Source.MADE
