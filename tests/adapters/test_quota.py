"""One contract for the quotas: in this process, on fakeredis, on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import fakeredis
import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from prewmanager.adapters.memory_quota import MemoryQuota
from prewmanager.adapters.redis.quota import RedisQuota
from prewmanager.resizing.ports import Quota
from tests.support.fakes import FakeClock

Make = Callable[[float, int], Quota]


@pytest.fixture(name="make", params=["local", "fakeredis", "redis"])
async def _make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    if request.param == "local":
        yield MemoryQuota
        return
    if request.param == "fakeredis":
        client = fakeredis.FakeAsyncRedis()
    else:
        server: Redis = request.getfixturevalue("redis_server")
        client = RedisClient.from_url(server.url)
    async with client:
        await client.flushall()
        yield lambda per_second, burst: RedisQuota(client, "photos", per_second, burst)


async def test_a_burst_and_no_more(make: Make) -> None:
    """Of twenty at once five are granted; the others are told to come back within a step."""
    quota = make(0.5, 5)
    waits = await asyncio.gather(*(quota.consume() for _ in range(20)))

    assert waits.count(0) == 5
    assert all(1.5 < wait <= 2.0 for wait in waits if wait)


async def test_what_was_told_is_true(make: Make) -> None:
    """After the time that was told there is one, and just one."""
    quota = make(20, 1)
    assert await quota.consume() == 0
    await asyncio.sleep(await quota.consume() + 0.002)

    assert await quota.consume() == 0
    assert await quota.consume() > 0


async def test_what_is_refused_costs_nothing(make: Make) -> None:
    """Asking again and again does not push the next grant away."""
    quota = make(10, 1)
    await quota.consume()
    waits = [await quota.consume() for _ in range(50)]

    assert waits[0] <= 0.1
    assert waits[-1] <= waits[0]


def test_the_long_run_is_the_rate() -> None:
    """Asked a thousand times a second for ten seconds, it grants the burst and then the rate."""
    clock = FakeClock()
    quota = MemoryQuota(20, 20, clock)
    granted = 0
    for _ in range(10_000):
        granted += _take(quota) == 0
        clock.now += 0.001

    assert granted in {219, 220}


def _take(quota: MemoryQuota) -> float:
    taking = quota.consume()
    try:
        taking.send(None)
    except StopIteration as done:
        return float(done.value)
    raise AssertionError
