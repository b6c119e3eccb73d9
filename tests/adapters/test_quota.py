"""One contract for all quotas: in this process, on fakeredis, on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis as RedisClient

from prewmanager.adapters.memory_quota import MemoryQuota
from prewmanager.adapters.redis.quota import QUOTA_KEY_PREFIX, RedisQuota
from prewmanager.resizing.ports import Quota
from tests.support.fakes import FakeClock


@dataclass
class Quotas:
    """Makes a quota, and lets its time pass."""

    make: Callable[[float, int], Quota]
    pass_time: Callable[[float], Awaitable[None]]


def _in_memory() -> Quotas:
    clock = FakeClock()

    async def pass_time(seconds: float) -> None:
        clock.now += seconds

    return Quotas(lambda per_second, burst: MemoryQuota(per_second, burst, clock), pass_time)


def _in_redis(client: RedisClient) -> Quotas:
    async def pass_time(seconds: float) -> None:
        key = f"{QUOTA_KEY_PREFIX}photos"
        for field in await client.hkeys(key):
            await client.hincrby(key, field, round(-seconds * 1_000_000))

    return Quotas(lambda per_second, burst: RedisQuota(client, "photos", per_second, burst), pass_time)


@pytest.fixture(name="quotas")
async def _quotas(any_redis: RedisClient | None) -> AsyncIterator[Quotas]:
    if any_redis is None:
        yield _in_memory()
    else:
        async with any_redis:
            await any_redis.flushall()
            yield _in_redis(any_redis)


async def test_a_burst_is_granted_and_no_more(quotas: Quotas) -> None:
    quota = quotas.make(0.5, 5)
    waits = await asyncio.gather(*(quota.consume("") for _ in range(20)))

    assert waits.count(0) == 5
    assert all(1.5 < wait <= 2.0 for wait in waits if wait)


async def test_after_the_returned_time_there_is_one_and_just_one(quotas: Quotas) -> None:
    quota = quotas.make(0.05, 1)
    assert await quota.consume("") == 0
    await quotas.pass_time(await quota.consume(""))

    assert await quota.consume("") == 0
    assert await quota.consume("") > 0


async def test_it_is_whole_while_nothing_of_it_is_in_use(quotas: Quotas) -> None:
    quota = quotas.make(0.5, 5)
    assert await quota.is_whole()
    await quota.consume("")
    assert not await quota.is_whole()
    await quotas.pass_time(2)

    assert await quota.is_whole()


async def test_what_is_refused_costs_nothing(quotas: Quotas) -> None:
    quota = quotas.make(0.1, 1)
    await quota.consume("")
    waits = [await quota.consume("") for _ in range(50)]

    assert waits[0] <= 10
    assert waits[-1] <= waits[0]


def test_the_long_run_is_the_rate() -> None:
    clock = FakeClock()
    quota = MemoryQuota(20, 20, clock)
    granted = 0
    for _ in range(10_000):
        granted += _consume(quota) == 0
        clock.now += 0.001

    assert granted in {219, 220}


def _consume(quota: MemoryQuota) -> float:
    taking = quota.consume("")
    try:
        taking.send(None)
    except StopIteration as done:
        return float(done.value)
    raise AssertionError


@pytest.mark.fault("client-greedy")
async def test_a_client_that_asks_for_all_leaves_a_quarter_for_others(quotas: Quotas) -> None:
    quota = quotas.make(0.01, 20)
    greedy = [await quota.consume("greedy") for _ in range(50)]
    other = [await quota.consume("other") for _ in range(3)]

    assert greedy.count(0) == 15
    assert other == [0, 0, 0]


@pytest.mark.fault("client-greedy")
async def test_in_the_long_run_each_client_gets_its_share_and_all_get_the_whole_rate(quotas: Quotas) -> None:
    quota = quotas.make(0.01, 20)  # so slow that the test's own time does not count
    granted = {"greedy": 0, "other": 0}
    for _ in range(200):
        await quotas.pass_time(50)
        granted["other"] += await quota.consume("other") == 0
        for _ in range(5):
            granted["greedy"] += await quota.consume("greedy") == 0

    assert 110 <= sum(granted.values()) <= 121
    assert granted["other"] >= 45


async def test_a_client_alone_gets_the_whole_rate(quotas: Quotas) -> None:
    quota = quotas.make(0.01, 20)
    granted = 0
    for _ in range(200):
        await quotas.pass_time(50)
        granted += await quota.consume("alone") == 0

    assert 99 <= granted <= 121


async def test_after_the_returned_time_a_client_gets_one(quotas: Quotas) -> None:
    quota = quotas.make(0.01, 20)
    while not (wait_s := await quota.consume("greedy")):
        pass
    await quotas.pass_time(wait_s + 0.01)

    assert await quota.consume("greedy") == 0


async def test_clients_beyond_a_thousand_share_one_place(quotas: Quotas) -> None:
    quota = quotas.make(0.001, 5000)
    first = [await quota.consume(f"client {number}") for number in range(1200)]

    assert first.count(0) == 1200
