"""The queue of previews that wait to be polished: one contract on fakeredis and on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import fakeredis
import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.polish_queue import POLISH_KEY_PREFIX, SAVED, RedisPolishQueue
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.polishing.fates import Fate
from prewmanager.polishing.ports import PolishLease, Waiting

KEY = f"{POLISH_KEY_PREFIX}photos/prew"
A, B, C = (Waiting("card@2x.avif", "0123456789ab", photo) for photo in ("a.jpg", "b: 2.jpg", "ü/c.jpg"))


@pytest.fixture(name="redis", params=["fakeredis", "redis"])
async def _redis(request: pytest.FixtureRequest) -> AsyncIterator[RedisClient]:
    if request.param == "redis":
        server: Redis = request.getfixturevalue("redis_server")
        client = RedisClient.from_url(server.url)
    else:
        client = fakeredis.FakeAsyncRedis()
    async with client:
        await client.flushall()
        yield client


def _queue(redis: RedisClient, after_s: float = 0.0, lease_s: float = 60.0, most: int = 100) -> RedisPolishQueue:
    return RedisPolishQueue(redis, site="photos/prew", after_s=after_s, lease_s=lease_s, most=most)


async def _pass(redis: RedisClient, seconds: float) -> None:
    for member in await redis.zrange(KEY, 0, -1):
        assert isinstance(member, bytes)
        await redis.zincrby(KEY, -seconds * 1000, member)


async def test_what_waits_acquired_once_in_its_order_and_not_before_its_time(redis: RedisClient) -> None:
    queue = _queue(redis, after_s=30)
    for waiting in (A, B, C):
        assert await queue.add(waiting)
        await _pass(redis, 1)
    assert await queue.acquire() is None
    await _pass(redis, 30)
    first = await queue.acquire()
    others = await asyncio.gather(*(_queue(redis).acquire() for _ in range(5)))

    assert first == PolishLease(A, 1)
    assert [each for each in others if each == PolishLease(B, 1)] == [PolishLease(B, 1)]
    assert [each for each in others if each == PolishLease(C, 1)] == [PolishLease(C, 1)]
    assert others.count(None) == 3
    assert await queue.waiting() == 3


async def test_one_that_waits_or_is_being_polished_is_not_added_again(redis: RedisClient) -> None:
    queue = _queue(redis)
    await queue.add(A)
    await queue.add(A)
    lease = await queue.acquire()
    assert lease == PolishLease(A, 1)
    await queue.add(A)

    assert await queue.acquire() is None
    await queue.done(lease, Fate.DONE, 5)
    assert await queue.waiting() == 0


@pytest.mark.fault("polisher-killed")
async def test_what_a_dead_process_held_is_acquired_once_more_and_then_known_to_kill(redis: RedisClient) -> None:
    queue = _queue(redis, lease_s=30)
    await queue.add(A)
    attempts = []
    for _ in range(3):
        lease = await queue.acquire()
        assert lease is not None
        attempts.append(lease.attempt)
        assert await queue.acquire() is None
        await _pass(redis, 30)
    await queue.done(PolishLease(A, 3), Fate.GIVEN_UP, 0)

    assert attempts == [1, 2, 3]
    assert await queue.acquire() is None


async def test_a_lease_that_has_passed_to_another_process_changes_nothing(redis: RedisClient) -> None:
    queue = _queue(redis, lease_s=30)
    await queue.add(A)
    late = await queue.acquire()
    assert late is not None
    await _pass(redis, 30)
    assert await queue.acquire() == PolishLease(A, 2)
    await queue.put_back(late, 0, tried=True)
    await queue.done(late, Fate.DONE, 5)

    assert await queue.acquire() is None
    assert await queue.waiting() == 1


@pytest.mark.parametrize(("tried", "attempt"), [(False, 1), (True, 2)])
async def test_one_that_is_put_back_waits_again(redis: RedisClient, *, tried: bool, attempt: int) -> None:
    queue = _queue(redis)
    await queue.add(A)
    lease = await queue.acquire()
    assert lease is not None
    await queue.put_back(lease, 60, tried=tried)

    assert await queue.acquire() is None
    await _pass(redis, 60)
    assert await queue.acquire() == PolishLease(A, attempt)


async def test_a_full_queue_refuses_more(redis: RedisClient) -> None:
    queue = _queue(redis, most=2)

    assert [await queue.add(each) for each in (A, B, C, A)] == [True, True, False, True]


async def test_what_gains_too_little_is_known_by_its_etag(redis: RedisClient) -> None:
    queue = _queue(redis)
    await queue.keep_as_is(A, '"1"')

    assert await queue.is_kept_as_is(A, '"1"')
    assert not await queue.is_kept_as_is(A, '"2"')
    assert not await queue.is_kept_as_is(B, '"1"')


async def test_fates_are_counted_and_every_key_expires(redis: RedisClient) -> None:
    queue = _queue(redis)
    for fate, saved in ((Fate.DONE, 100), (Fate.DONE, 20), (Fate.TOO_LITTLE, 0)):
        await queue.done(PolishLease(A, 1), fate, saved)
    await queue.add(A)
    await queue.keep_as_is(A, '"1"')

    assert await queue.counts() == {"done": 2, "too_little": 1, SAVED: 120}
    keys = await redis.keys("*")
    assert len(keys) == 3
    assert all([await redis.ttl(key) > 0 for key in keys])


@pytest.mark.fault("redis-away")
async def test_without_redis_each_method_says_so() -> None:
    async with connect("redis://127.0.0.1:1/0") as redis:
        queue = RedisPolishQueue(redis, site="photos/prew", after_s=0, lease_s=1)
        for call in (queue.add(A), queue.acquire(), queue.done(PolishLease(A, 1), Fate.DONE, 0), queue.waiting()):
            with pytest.raises(FlightStoreUnavailable):
                await call
