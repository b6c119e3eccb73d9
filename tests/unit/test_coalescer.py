"""The coalescer, with fakes of its ports and gates instead of sleeps."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.errors import (
    DeadlineExceeded,
    Overloaded,
    PhotoMissing,
    ResizerFailed,
    StorageFailed,
)
from prewmanager.flights.lease import Timing
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Answer, Completed, Held
from prewmanager.previews.outcome import Outcome, Source
from tests.support.fakes import FakeClock, FakeStore, made, preview, until
from tests.support.replica import InMemoryReplica


async def test_one_resize_for_all_who_wait() -> None:
    """Five hundred requests while the leader is held get one result of one call, and one of them made it."""
    replica = InMemoryReplica()
    requests = [replica.ask() for _ in range(500)]
    await replica.resizer.entered.wait()
    replica.resizer.gate.set()
    answers = await asyncio.gather(*requests)

    assert len(replica.resizer.calls) == 1
    assert {answer.made.body for answer in answers} == {b"prew/card/a.jpg made by call 1"}
    assert sorted(str(answer.source) for answer in answers) == ["joined"] * 499 + ["made"]


async def test_different_previews_do_not_wait_for_each_other() -> None:
    """Each photo and each preset has a flight of its own."""
    replica = InMemoryReplica()
    replica.resizer.gate.set()
    paths = ["/prew/card/a.jpg", "/prew/card/b.jpg", "/prew/thumb/a.jpg"]
    answers = await asyncio.gather(*map(replica.ask, paths))

    assert len(replica.resizer.calls) == 3
    assert len({answer.made.body for answer in answers}) == 3


async def test_three_replicas_on_one_board_make_it_once() -> None:
    """Replicas that share a board share the flight; those that waited say joined."""
    flight_store, store = MemoryFlightStore(), FakeStore()
    houses = [InMemoryReplica(flight_store, store=store) for _ in range(3)]
    requests = [replica.ask() for replica in houses for _ in range(20)]
    await until(lambda: any(replica.resizer.calls for replica in houses))
    for replica in houses:
        replica.resizer.gate.set()
    answers = await asyncio.gather(*requests)

    assert sum(len(replica.resizer.calls) for replica in houses) == 1
    assert len({answer.made.body for answer in answers}) == 1


class NotingBoard(MemoryFlightStore):
    """A board that notes how many requests were answered when it was told a result."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[asyncio.Task[Answer]] = []
        self.answered_before: int | None = None

    async def acquire(self, key: str) -> Lease | Completed | Held:
        acquired = await super().acquire(key)
        assert not isinstance(acquired, Completed | Held)
        complete = acquired.complete

        async def noting(outcome: Outcome, ttl_s: float) -> bool:
            self.answered_before = sum(request.done() for request in self.requests)
            return await complete(outcome, ttl_s)

        acquired.complete = noting
        return acquired


@pytest.mark.parametrize(("waiters", "answered"), [(1, 1), (2, 0), (600, 0)])
async def test_one_answer_comes_before_the_board_is_told_and_many_after(waiters: int, answered: int) -> None:
    """To answer one takes less time than to tell the board; for hundreds the other replicas would wait."""
    flight_store = NotingBoard()
    replica = InMemoryReplica(flight_store)
    flight_store.requests = [replica.ask() for _ in range(waiters)]
    await replica.resizer.entered.wait()
    replica.resizer.gate.set()
    await asyncio.gather(*flight_store.requests)
    await until(lambda: flight_store.answered_before is not None)

    assert flight_store.answered_before == answered


class RememberingBoard(MemoryFlightStore):
    """A board that still knows a preview which was made before, as one that replicas share does."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.cached_results: Outcome | None = outcome

    async def acquire(self, key: str) -> Lease | Completed | Held:
        return Completed(self.cached_results) if self.cached_results else await super().acquire(key)

    async def evict(self, key: str, completed: Completed) -> None:  # noqa: ARG002 -- it knows one flight
        assert completed.outcome is self.cached_results
        self.cached_results = None


async def test_a_remembered_preview_that_was_purged_is_made_anew() -> None:
    """The board's memory outlives the object: what the bucket has no more is not handed out, but made."""
    replica = InMemoryReplica(RememberingBoard(made(b"before the purge")))
    replica.resizer.gate.set()
    answer = await replica.ask()

    assert answer.made.body == b"prew/card/a.jpg made by call 1"
    assert answer.source is Source.MADE


async def test_a_remembered_preview_is_taken_from_the_bucket() -> None:
    """Who comes too late to have waited gets what is in the bucket now."""
    replica = InMemoryReplica(RememberingBoard(made(b"as it was")))
    replica.store.objects["prew/card/a.jpg"] = made(b"as it is")
    answer = await replica.ask()

    assert answer.made.body == b"as it is"
    assert answer.source is Source.FOUND
    assert replica.resizer.calls == []


async def test_a_remembered_preview_stands_in_while_the_bucket_cannot_be_read() -> None:
    """With S3 away, the board's memory is better than nothing."""
    replica = InMemoryReplica(RememberingBoard(made(b"as it was")))
    replica.store.broken = True

    assert (await replica.ask()).made.body == b"as it was"


async def test_found_in_the_bucket_after_all() -> None:
    """The winner looks at S3 before it makes anything."""
    replica = InMemoryReplica()
    replica.store.objects["prew/card/a.jpg"] = made(b"was there")
    answer = await replica.ask()

    assert answer.source is Source.FOUND
    assert answer.made.body == b"was there"
    assert replica.resizer.calls == []


async def test_a_look_that_fails_costs_nobody_the_preview() -> None:
    """When S3 fails at the look, the preview is made all the same."""
    replica = InMemoryReplica()
    replica.store.broken = True
    replica.resizer.gate.set()
    answer = await replica.ask()

    assert answer.source is Source.MADE


async def test_everybody_gets_the_leaders_failure_as_an_error_of_their_own() -> None:
    """A failure is a result: those who wait get the same kind, and the next one gets it without another call."""
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


async def test_a_remembered_failure_ends() -> None:
    """After its lifetime a failure is forgotten, and the next request tries again."""
    clock = FakeClock()
    replica = InMemoryReplica(MemoryFlightStore(clock), error=StorageFailed("away"))
    replica.resizer.gate.set()
    with pytest.raises(StorageFailed):
        await replica.ask()
    clock.now += 2.1
    replica.resizer.error = None

    assert (await replica.ask()).source is Source.MADE


async def test_an_unexpected_error_is_an_answer_too() -> None:
    """Whatever the resizer raises, nobody hangs on it and nothing of it is told."""
    replica = InMemoryReplica(error=ZeroDivisionError("secret detail"))
    replica.resizer.gate.set()
    with pytest.raises(ResizerFailed) as caught:
        await replica.ask()

    assert "secret" not in caught.value.detail


async def test_no_disconnect_ends_the_flight() -> None:
    """The leader's request and most others are cancelled; the flight goes on and the one left gets its preview."""
    replica = InMemoryReplica()
    requests = [replica.ask() for _ in range(10)]
    await replica.resizer.entered.wait()
    for request in requests[:9]:
        request.cancel()
    await asyncio.gather(*requests[:9], return_exceptions=True)
    replica.resizer.gate.set()

    assert (await requests[9]).made.body == b"prew/card/a.jpg made by call 1"
    assert len(replica.resizer.calls) == 1


async def test_a_flight_that_everybody_left_still_lands() -> None:
    """With nobody left to wait the preview is made and written all the same."""
    replica = InMemoryReplica()
    request = replica.ask()
    await replica.resizer.entered.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    replica.resizer.gate.set()
    await until(lambda: bool(replica.observer.flights))

    assert "prew/card/a.jpg" in replica.store.objects


async def test_too_slow_for_a_waiter_is_not_in_time() -> None:
    """A waiter's deadline is its own answer; the flight goes on, and the next request joins it."""
    replica = InMemoryReplica(timing=Timing(lease_s=1, lock_ttl_s=5, invoke_s=5, wait_s=0.05))
    with pytest.raises(DeadlineExceeded):
        await replica.ask()

    assert len(replica.resizer.calls) == 1


async def test_too_slow_a_resizer_is_not_in_time() -> None:
    """The invoke deadline ends the resize; all get that, and it is remembered as a transient failure."""
    replica = InMemoryReplica(timing=Timing(lease_s=1, lock_ttl_s=5, invoke_s=0.05, wait_s=5))
    with pytest.raises(DeadlineExceeded):
        await replica.ask()
    with pytest.raises(DeadlineExceeded):
        await replica.ask()

    assert len(replica.resizer.calls) == 1


async def test_one_flight_too_many_is_overloaded() -> None:
    """Above the bound a new flight is refused with a time to come back; joining one is still possible."""
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


async def test_takeover_when_the_owner_is_gone() -> None:
    """A lease whose owner died ends by itself; a waiter makes the preview then, and says so."""
    clock = FakeClock()
    flight_store = MemoryFlightStore(clock, lease_s=30)
    await flight_store.acquire(preview().flight_key)  # by an owner that will never settle it
    replica = InMemoryReplica(flight_store)
    replica.resizer.gate.set()
    request = replica.ask()
    await asyncio.sleep(0.02)
    assert replica.resizer.calls == []
    clock.now += 31
    answer = await request

    assert answer.source is Source.MADE
    assert replica.observer.takeovers == ["prew/card/a.jpg"]


async def test_the_lease_is_kept_while_the_work_goes_on() -> None:
    """Work that takes longer than the lease is not taken over, because the lease is renewed."""
    flight_store, store = MemoryFlightStore(lease_s=0.3), FakeStore()
    slow, other = InMemoryReplica(flight_store, store=store), InMemoryReplica(flight_store, store=store)
    first = slow.ask()
    await slow.resizer.entered.wait()
    second = other.ask()
    await asyncio.sleep(0.7)
    slow.resizer.gate.set()
    other.resizer.gate.set()
    await asyncio.gather(first, second)

    assert len(slow.resizer.calls) + len(other.resizer.calls) == 1


async def test_closing_waits_for_flights() -> None:
    """Flights under way land before the coalescer is closed."""
    replica = InMemoryReplica()
    request = replica.ask()
    await replica.resizer.entered.wait()
    closing = asyncio.create_task(replica.coalescer.close(grace_s=5))
    replica.resizer.gate.set()
    await closing

    assert (await request).source is Source.MADE


async def test_closing_hands_over_what_does_not_land() -> None:
    """A flight that outlasts the grace time is given back, and another replica takes it at once."""
    flight_store, store = MemoryFlightStore(), FakeStore()
    leaving, staying = InMemoryReplica(flight_store, store=store), InMemoryReplica(flight_store, store=store)
    staying.resizer.gate.set()
    abandoned = leaving.ask()
    await leaving.resizer.entered.wait()
    waiting = staying.ask()
    await leaving.coalescer.close(grace_s=0.01)

    assert (await waiting).source is Source.MADE
    with pytest.raises(Overloaded):
        await abandoned


async def test_a_board_that_breaks_is_an_answer_too() -> None:
    """A defect outside of the resize reaches those who wait as a failed resize, and nobody hangs."""

    class BrokenBoard(MemoryFlightStore):
        async def acquire(self, key: str) -> NoReturn:
            raise ZeroDivisionError(key)

    with pytest.raises(ResizerFailed):
        await InMemoryReplica(BrokenBoard()).ask()


async def test_those_who_wait_here_do_not_wait_for_the_board() -> None:
    """The outcome is told as soon as it is known, even while the board takes its time to note it."""
    noted = asyncio.Event()

    class SlowLease:
        async def renew(self) -> bool:
            return True

        async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
            assert outcome is not None
            assert ttl_s > 0
            await noted.wait()
            return False

        async def release(self) -> None:
            raise AssertionError

    class SlowBoard(MemoryFlightStore):
        async def acquire(self, key: str) -> Lease:
            assert key
            return SlowLease()

    replica = InMemoryReplica(SlowBoard())
    replica.resizer.gate.set()
    first = await replica.ask()
    second = await replica.ask()
    noted.set()

    assert (first.source, second.source) == (Source.MADE, Source.JOINED)
    assert len(replica.resizer.calls) == 1
    assert replica.observer.waiters == 0
