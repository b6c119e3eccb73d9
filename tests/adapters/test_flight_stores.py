"""One contract for every flight board: in memory, on fakeredis, on a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import fakeredis
import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.adapters.redis.flight_store import CHANNEL, RedisFlightStore
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.flights.ports import FlightStore, Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Failure
from tests.support.fakes import made

LEASE_S = 0.3
MISSING = Failure("missing", "no such key", None)


@contextlib.asynccontextmanager
async def _redis_board(client: RedisClient) -> AsyncIterator[RedisFlightStore]:
    notifications = RedisNotifications(client, CHANNEL)
    await client.flushall()
    async with client, notifications.listening():
        yield RedisFlightStore(client, notifications, namespace="photos", lease_s=LEASE_S, max_body_bytes=1000)


@pytest.fixture(name="flight_store", params=["local", "fakeredis", "redis"])
async def _flight_store(request: pytest.FixtureRequest) -> AsyncIterator[FlightStore]:
    if request.param == "local":
        yield MemoryFlightStore(lease_s=LEASE_S)
    elif request.param == "fakeredis":
        async with _redis_board(fakeredis.FakeAsyncRedis()) as flight_store:
            yield flight_store
    else:
        server: Redis = request.getfixturevalue("redis_server")
        async with _redis_board(RedisClient.from_url(server.url)) as flight_store:
            yield flight_store


async def _lease(flight_store: FlightStore, key: str = "k") -> Lease:
    acquired = await flight_store.acquire(key)
    assert not isinstance(acquired, Completed | Held)
    return acquired


async def test_one_of_twenty_acquires_the_lease(flight_store: FlightStore) -> None:
    """All others learn that it is held."""
    acquired = await asyncio.gather(*(flight_store.acquire("k") for _ in range(20)))

    assert acquired.count(Held()) == 19


async def test_a_flight_is_taken_only_where_it_is_free(flight_store: FlightStore) -> None:
    """Neither from its holder nor in place of what is remembered; the lease is like any other."""
    lease = await flight_store.try_acquire("k")
    assert lease is not None
    assert await flight_store.try_acquire("k") is None
    assert isinstance(await flight_store.acquire("k"), Held)
    assert await lease.complete(MISSING, 60)

    assert await flight_store.try_acquire("k") is None
    assert await flight_store.acquire("k") == Completed(MISSING)


async def test_taking_disturbs_nobody_who_waits(flight_store: FlightStore) -> None:
    """Who watches the flight meanwhile hears of its end all the same, long before its own time is over."""
    lease = await _lease(flight_store)
    assert isinstance(await flight_store.acquire("k"), Held)
    await flight_store.wait_for_change("k", 0.2)  # from here on the news are heard
    assert await lease.renew()
    assert isinstance(await flight_store.acquire("k"), Held)
    watching = asyncio.create_task(flight_store.wait_for_change("k", 600))
    await asyncio.sleep(0)
    assert await flight_store.try_acquire("k") is None
    await lease.complete(MISSING, 60)
    async with asyncio.timeout(20):
        await watching


async def test_keys_are_apart(flight_store: FlightStore) -> None:
    """A lease on one key leaves the next free."""
    await _lease(flight_store, "a")
    await _lease(flight_store, "b")


async def test_a_failure_is_told_to_whoever_asks(flight_store: FlightStore) -> None:
    """A settled failure is the answer to the next claims, with its kind and detail."""
    lease = await _lease(flight_store)

    assert await lease.complete(MISSING, 5)
    assert await flight_store.acquire("k") == Completed(MISSING)


async def test_a_forgotten_outcome_leaves_room_for_the_next(flight_store: FlightStore) -> None:
    """What is true no more can be forgotten before its time, by who was told it."""
    lease = await _lease(flight_store)
    await lease.complete(MISSING, 60)
    told = await flight_store.acquire("k")
    assert isinstance(told, Completed)

    await flight_store.evict("k", told)

    assert not isinstance(await flight_store.acquire("k"), Completed | Held)


async def test_forgetting_leaves_what_came_since(flight_store: FlightStore) -> None:
    """Who was told an outcome that ended meanwhile forgets neither the next lease nor the next outcome."""
    lease = await _lease(flight_store)
    await lease.complete(MISSING, 60)
    told = await flight_store.acquire("k")
    assert isinstance(told, Completed)
    await flight_store.evict("k", told)
    lease = await _lease(flight_store)

    await flight_store.evict("k", told)
    assert isinstance(await flight_store.acquire("k"), Held)
    await lease.complete(Failure("corrupt", "another"), 60)
    await flight_store.evict("k", told)

    assert await flight_store.acquire("k") == Completed(Failure("corrupt", "another"))


async def test_an_outcome_ends_after_its_lifetime(flight_store: FlightStore) -> None:
    """After its lifetime a failure is forgotten and the flight is free again."""
    await (await _lease(flight_store)).complete(MISSING, 0.05)
    await asyncio.sleep(0.1)

    await _lease(flight_store)


async def test_a_lease_that_is_not_renewed_ends(flight_store: FlightStore) -> None:
    """When its owner is gone, the next claim after the lease takes over."""
    await _lease(flight_store)
    assert isinstance(await flight_store.acquire("k"), Held)
    await asyncio.sleep(LEASE_S + 0.1)

    await _lease(flight_store)


async def test_a_renewed_lease_goes_on(flight_store: FlightStore) -> None:
    """Renewing keeps others out for longer than one lease."""
    lease = await _lease(flight_store)
    for _ in range(4):
        await asyncio.sleep(LEASE_S / 2)
        assert await lease.renew()
        assert isinstance(await flight_store.acquire("k"), Held)


async def test_a_late_owner_neither_renews_nor_overwrites_nor_releases(flight_store: FlightStore) -> None:
    """What the old owner does after a takeover leaves the new owner's lease and result alone."""
    late = await _lease(flight_store)
    await asyncio.sleep(LEASE_S + 0.1)
    current = await _lease(flight_store)

    assert not await late.renew()
    assert not await late.complete(Failure("failed", "late"), 5)
    await late.release()
    assert isinstance(await flight_store.acquire("k"), Held)
    assert await current.complete(MISSING, 5)
    assert not await late.complete(Failure("failed", "late"), 5)
    assert await flight_store.acquire("k") == Completed(MISSING)


async def test_a_late_owner_whom_nobody_replaced_is_not_too_late(flight_store: FlightStore) -> None:
    """Where the lease has ended and nobody took over, the result is taken all the same: the work was done."""
    late = await _lease(flight_store)
    await asyncio.sleep(LEASE_S + 0.1)

    assert await late.renew()
    assert await late.complete(MISSING, 5)


async def test_an_abandoned_flight_is_free_at_once(flight_store: FlightStore) -> None:
    """Giving back makes room for the next one without waiting for the lease to end."""
    await (await _lease(flight_store)).release()

    await _lease(flight_store)


async def test_whoever_watches_is_told(flight_store: FlightStore) -> None:
    """Who claims, and watches while it is somebody else's, has the outcome long before the time-out."""

    async def outcome() -> Completed:
        while not isinstance(acquired := await flight_store.acquire("k"), Completed):
            await flight_store.wait_for_change("k", 30)
        return acquired

    lease = await _lease(flight_store)
    watching = asyncio.create_task(outcome())
    await asyncio.sleep(0.05)
    assert not watching.done()
    await lease.complete(MISSING, 5)

    assert await asyncio.wait_for(watching, 5) == Completed(MISSING)


async def test_watching_ends_by_itself(flight_store: FlightStore) -> None:
    """A watcher that is not told returns after its time-out."""
    await _lease(flight_store)
    assert isinstance(await flight_store.acquire("k"), Held)

    await asyncio.wait_for(flight_store.wait_for_change("k", 0.05), 5)


@pytest.mark.parametrize("flight_store", ["fakeredis", "redis"], indirect=True)
async def test_a_preview_is_handed_to_the_other_replicas(flight_store: FlightStore) -> None:
    """A result within the bound travels whole; a larger one says that it is in the bucket."""
    small, large = made(b"\x00\xff\nblocked:" * 10), made(b"x" * 1001)
    await (await _lease(flight_store, "small")).complete(small, 5)
    await (await _lease(flight_store, "large")).complete(large, 5)
    told = await flight_store.acquire("large")

    assert await flight_store.acquire("small") == Completed(small)
    assert isinstance(told, Completed)
    assert told.outcome == type(large)(large.content_type, 1001, large.etag, large.cache_control, None)


async def test_the_local_board_remembers_no_previews() -> None:
    """In one process a preview that was made is looked up in the bucket, so memory stays small."""
    flight_store = MemoryFlightStore()
    await (await _lease(flight_store)).complete(made(), 30)

    await _lease(flight_store)


async def test_the_local_board_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many remembered failures the oldest goes."""
    monkeypatch.setattr("prewmanager.adapters.memory_store.MAX_CACHED_FAILURES", 2)
    flight_store = MemoryFlightStore()
    for key in "abc":
        await (await _lease(flight_store, key)).complete(MISSING, 30)

    assert await flight_store.acquire("b") == Completed(MISSING)
    await _lease(flight_store, "a")


async def test_watching_nothing_returns_at_once() -> None:
    """On the local board there is nothing to wait for where there is no flight."""
    await MemoryFlightStore().wait_for_change("k", 30)
