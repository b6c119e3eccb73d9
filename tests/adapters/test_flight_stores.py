"""One contract for all flight stores: in memory, on fakeredis, on a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import pytest
from redis.asyncio import Redis as RedisClient

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.adapters.redis.flight_store import KEY_PREFIX
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.flights.ports import FlightStore, Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Failure
from tests.support.fakes import FakeClock, made
from tests.support.redis_flights import redis_flight_store

LEASE_S = 30
LONGEST_RESULT_S = 300
MAX_BODY_BYTES = 1000
MISSING = Failure("missing", "no such key", None)


@dataclass(frozen=True)
class Stored:
    """A flight store; it can check the TTL of the key `k` in seconds, and end it."""

    flight_store: FlightStore
    expire: Callable[[float], Awaitable[None]]


@contextlib.asynccontextmanager
async def _in_redis(client: RedisClient) -> AsyncIterator[Stored]:
    notifications = RedisNotifications(client)
    key = f"{KEY_PREFIX}photos/k"

    async def expire(after_s: float) -> None:
        left_s = await client.pttl(key) / 1000
        value = await client.get(key)
        assert isinstance(value, bytes)
        if value.startswith(b"blocked:"):
            now_s, lease = (await client.time())[0], value.split(b":")
            assert after_s - 20 < int(lease[2]) / 1000 - now_s <= after_s + 1
            assert left_s > LONGEST_RESULT_S
            await client.set(key, b":".join([*lease[:2], b"%d" % (now_s * 1000 - 1)]), keepttl=True)
        else:
            assert after_s - 20 < left_s <= after_s
            await client.delete(key)

    await client.flushall()
    async with client, notifications.listening():
        yield Stored(
            redis_flight_store(
                client,
                notifications,
                lease_s=LEASE_S,
                max_body_bytes=MAX_BODY_BYTES,
            ),
            expire,
        )


def _in_memory() -> Stored:
    clock = FakeClock()
    flight_store = MemoryFlightStore(clock, lease_s=LEASE_S)

    async def expire(after_s: float) -> None:
        clock.now += after_s - 1
        assert isinstance(await flight_store.acquire("k"), Held | Completed)
        clock.now += 1

    return Stored(flight_store, expire)


@pytest.fixture(name="stored")
async def _stored(any_redis: RedisClient | None) -> AsyncIterator[Stored]:
    if any_redis is None:
        yield _in_memory()
    else:
        async with _in_redis(any_redis) as stored:
            yield stored


@pytest.fixture(name="flight_store")
def _flight_store(stored: Stored) -> FlightStore:
    return stored.flight_store


async def _lease(flight_store: FlightStore, key: str = "k") -> Lease:
    acquired = await flight_store.acquire(key)
    assert not isinstance(acquired, Completed | Held)
    return acquired


async def _completed(flight_store: FlightStore, key: str = "k") -> Completed:
    acquired = await flight_store.acquire(key)
    assert isinstance(acquired, Completed)
    return acquired


async def test_one_of_twenty_acquires_the_lease(flight_store: FlightStore) -> None:
    acquired = await asyncio.gather(*(flight_store.acquire("k") for _ in range(20)))

    assert acquired.count(Held()) == 19


async def test_each_key_has_a_lease_of_its_own(flight_store: FlightStore) -> None:
    await _lease(flight_store, "a")
    await _lease(flight_store, "b")


async def test_a_failure_is_cached_with_its_kind_and_detail(flight_store: FlightStore) -> None:
    lease = await _lease(flight_store)

    assert await lease.complete(MISSING, 5)
    assert await flight_store.acquire("k") == Completed(MISSING)


async def test_an_evicted_outcome_leaves_room_for_the_next(flight_store: FlightStore) -> None:
    lease = await _lease(flight_store)
    await lease.complete(MISSING, 60)
    await flight_store.evict("k", await _completed(flight_store))

    await _lease(flight_store)


async def test_a_late_eviction_leaves_the_next_lease_and_outcome(flight_store: FlightStore) -> None:
    lease = await _lease(flight_store)
    await lease.complete(MISSING, 60)
    old = await _completed(flight_store)
    await flight_store.evict("k", old)
    lease = await _lease(flight_store)

    await flight_store.evict("k", old)
    assert isinstance(await flight_store.acquire("k"), Held)
    await lease.complete(Failure("corrupt", "another"), 60)
    await flight_store.evict("k", old)

    assert await flight_store.acquire("k") == Completed(Failure("corrupt", "another"))


async def test_an_outcome_expires_after_its_ttl(stored: Stored) -> None:
    await (await _lease(stored.flight_store)).complete(MISSING, 60)
    await stored.expire(60)

    await _lease(stored.flight_store)


async def test_a_lease_that_is_not_renewed_expires(stored: Stored) -> None:
    await _lease(stored.flight_store)
    assert isinstance(await stored.flight_store.acquire("k"), Held)
    await stored.expire(LEASE_S)

    await _lease(stored.flight_store)


async def test_a_renewed_lease_lasts_as_long_again(stored: Stored) -> None:
    lease = await _lease(stored.flight_store)
    await stored.expire(LEASE_S)
    assert await lease.renew()
    assert isinstance(await stored.flight_store.acquire("k"), Held)
    assert await lease.renew()
    await stored.expire(LEASE_S)

    await _lease(stored.flight_store)


@pytest.mark.fault("lease-lost")
async def test_a_late_process_neither_renews_nor_completes_nor_releases(stored: Stored) -> None:
    flight_store = stored.flight_store
    late = await _lease(flight_store)
    await stored.expire(LEASE_S)
    current = await _lease(flight_store)

    assert not await late.renew()
    assert not await late.complete(Failure("failed", "late"), 5)
    await late.release()
    assert isinstance(await flight_store.acquire("k"), Held)
    assert await current.complete(MISSING, 5)
    assert not await late.complete(Failure("failed", "late"), 5)
    assert await flight_store.acquire("k") == Completed(MISSING)


async def test_without_a_takeover_a_late_process_completes(stored: Stored) -> None:
    late = await _lease(stored.flight_store)
    await stored.expire(LEASE_S)

    assert await late.complete(MISSING, 5)
    assert await stored.flight_store.acquire("k") == Completed(MISSING)


async def test_a_released_lease_is_free_at_once(flight_store: FlightStore) -> None:
    await (await _lease(flight_store)).release()

    await _lease(flight_store)


async def test_whoever_waits_is_notified(flight_store: FlightStore) -> None:
    polls: asyncio.Queue[None] = asyncio.Queue()

    async def outcome() -> Completed:
        while not isinstance(acquired := await flight_store.acquire("k"), Completed):
            polls.put_nowait(None)
            await flight_store.wait_for_change("k", 600)
        return acquired

    lease = await _lease(flight_store)
    with flight_store.watching("k"):
        waiting = asyncio.create_task(outcome())
        await polls.get()
        assert not waiting.done()
        await lease.complete(MISSING, 5)
        async with asyncio.timeout(20):
            assert await waiting == Completed(MISSING)


async def test_waiting_ends_by_itself(flight_store: FlightStore) -> None:
    await _lease(flight_store)
    with flight_store.watching("k"):
        assert isinstance(await flight_store.acquire("k"), Held)
        async with asyncio.timeout(20):
            await flight_store.wait_for_change("k", 0.05)


@pytest.mark.parametrize("any_redis", ["fakeredis", "redis"], indirect=True)
@pytest.mark.parametrize("size", [0, 100, MAX_BODY_BYTES, MAX_BODY_BYTES + 1])
async def test_only_a_preview_within_the_bound_is_inlined_for_others(flight_store: FlightStore, size: int) -> None:
    preview = made((b"\x00\xff\nblocked:" * 100)[:size])
    lease = await _lease(flight_store)
    assert isinstance(await flight_store.acquire("k"), Held)
    await lease.complete(preview, 5)
    found = await _completed(flight_store)

    assert found.outcome == (preview if size <= MAX_BODY_BYTES else replace(preview, body=None))


@pytest.mark.parametrize("any_redis", ["fakeredis", "redis"], indirect=True)
@pytest.mark.parametrize("companions", [False, True])
async def test_where_nobody_waits_a_preview_is_not_inlined(flight_store: FlightStore, *, companions: bool) -> None:
    """Who renders a companion does not wait for it."""
    lease = await _lease(flight_store)
    if companions:
        assert isinstance(await flight_store.acquire("k", waits=False), Held)
    assert await lease.complete(made(), 5)

    assert (await _completed(flight_store)).outcome == replace(made(), body=None)


@pytest.mark.parametrize("any_redis", ["fakeredis", "redis"], indirect=True)
@pytest.mark.parametrize("renewed", [False, True])
async def test_a_takeover_serves_those_who_waited_before_it(stored: Stored, *, renewed: bool) -> None:
    await _lease(stored.flight_store)
    assert isinstance(await stored.flight_store.acquire("k"), Held)
    await stored.expire(LEASE_S)
    successor = await _lease(stored.flight_store)
    if renewed:
        assert await successor.renew()
    assert await successor.complete(made(), 5)

    assert await _completed(stored.flight_store) == Completed(made())


@pytest.mark.parametrize("any_redis", ["fakeredis", "redis"], indirect=True)
async def test_a_renewal_keeps_those_who_wait(flight_store: FlightStore) -> None:
    lease = await _lease(flight_store)
    assert isinstance(await flight_store.acquire("k"), Held)
    assert await lease.renew()
    assert await lease.complete(made(), 5)

    assert await _completed(flight_store) == Completed(made())


UNWRITTEN = replace(made(b"the preview's bytes"), etag="", stored=False)


@pytest.mark.parametrize("any_redis", ["fakeredis", "redis"], indirect=True)
async def test_an_unwritten_preview_is_inlined_until_it_is_stored(flight_store: FlightStore) -> None:
    lease = await _lease(flight_store)
    assert lease.keeps_previews
    assert await lease.complete(UNWRITTEN, 5)
    assert (await _completed(flight_store)).outcome == UNWRITTEN
    stored = replace(UNWRITTEN, stored=True, body=None)
    await lease.replace(stored, 5)

    assert (await _completed(flight_store)).outcome == stored


@pytest.mark.parametrize("any_redis", ["fakeredis", "redis"], indirect=True)
@pytest.mark.parametrize("lost", [False, True])
async def test_only_the_result_of_its_own_lease_is_replaced(flight_store: FlightStore, *, lost: bool) -> None:
    """A later one may have the same size, type and name, and no ETag that tells them apart."""
    late = await _lease(flight_store)
    await late.complete(UNWRITTEN, 5)
    await flight_store.evict("k", await _completed(flight_store))
    outcome = None if lost else replace(UNWRITTEN, stored=True, body=None)
    await late.replace(outcome, 5)
    current = await _lease(flight_store)
    await late.replace(outcome, 5)
    assert isinstance(await flight_store.acquire("k"), Held)
    await current.complete(UNWRITTEN, 5)
    await late.replace(outcome, 5)

    assert (await _completed(flight_store)).outcome == UNWRITTEN
    await current.replace(None, 5)
    await _lease(flight_store)


@pytest.mark.fault("photo-changed")
@pytest.mark.parametrize("any_redis", ["fakeredis", "redis"], indirect=True)
@pytest.mark.parametrize("renewed", [False, True])
async def test_an_unwritten_preview_of_a_photo_that_has_changed_since_is_not_kept(
    flight_store: FlightStore, *, renewed: bool
) -> None:
    """Its event was handled before there was a result to evict, and until it is written S3 does not tell of it."""
    lease = await _lease(flight_store)
    await flight_store.evict("k", None)
    if renewed:
        assert await lease.renew()
    assert isinstance(await flight_store.acquire("k"), Held)
    assert await lease.complete(UNWRITTEN, 5)
    successor = await _lease(flight_store)
    await lease.replace(replace(UNWRITTEN, stored=True, body=None), 5)
    assert isinstance(await flight_store.acquire("k"), Held)
    assert await successor.complete(UNWRITTEN, 5)

    assert (await _completed(flight_store)).outcome == UNWRITTEN


@pytest.mark.parametrize("any_redis", ["fakeredis", "redis"], indirect=True)
async def test_a_stored_result_is_not_replaced(flight_store: FlightStore) -> None:
    lease = await _lease(flight_store)
    await lease.complete(made(), 5)
    await lease.replace(None, 5)

    assert (await _completed(flight_store)).outcome == replace(made(), body=None)


async def test_memory_keeps_no_previews() -> None:
    lease = await _lease(MemoryFlightStore())
    assert not lease.keeps_previews
    await lease.replace(None, 5)


async def test_memory_caches_no_previews() -> None:
    """They are in the bucket, and memory stays small."""
    flight_store = MemoryFlightStore()
    await (await _lease(flight_store)).complete(made(), 30)

    await _lease(flight_store)


async def test_of_too_many_failures_in_memory_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prewmanager.adapters.memory_store.MAX_CACHED_FAILURES", 2)
    flight_store = MemoryFlightStore()
    for key in "abc":
        await (await _lease(flight_store, key)).complete(MISSING, 30)

    assert await flight_store.acquire("b") == Completed(MISSING)
    await _lease(flight_store, "a")


async def test_in_memory_nothing_is_waited_for_where_there_is_no_flight() -> None:
    await MemoryFlightStore().wait_for_change("k", 30)
