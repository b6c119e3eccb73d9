"""The client of one server, on a real Redis: who gets a connection, in which order, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from devstack import backends
from prewmanager.adapters.redis.client import SlotPool, TimedRedis
from tests.support.fakes import until

NAME = "pool-under-test"


@pytest.fixture(name="pool")
async def _pool(redis_server: backends.Redis) -> AsyncIterator[SlotPool]:
    pool = SlotPool.from_url(redis_server.url, max_connections=2, timeout=0.2, client_name=NAME)
    yield pool
    await pool.aclose()


async def _ids(redis: Redis) -> set[str]:
    return {each["id"] for each in await redis.client_list(_type="normal") if each["name"] == NAME}


async def test_an_idle_connection_is_used_again_by_one_at_a_time(pool: SlotPool) -> None:
    one = await pool.get_connection()
    other = await pool.get_connection()
    await pool.release(one)

    assert await pool.get_connection() is one is not other


async def test_a_late_caller_gets_no_connection_before_those_who_wait(pool: SlotPool) -> None:
    held = [await pool.get_connection(), await pool.get_connection()]
    asked: list[str] = []
    order: list[str] = []

    async def use(name: str) -> None:
        asked.append(name)
        connection = await pool.get_connection()
        order.append(name)
        await pool.release(connection)

    waiting = [asyncio.create_task(use(name)) for name in ("first", "second")]
    await until(lambda: len(asked) == 2)
    late = asyncio.create_task(use("late"))
    for connection in held:
        await pool.release(connection)
    await asyncio.gather(*waiting, late)

    assert order == ["first", "second", "late"]


async def test_who_waits_too_long_costs_those_who_come_after_no_connection(pool: SlotPool) -> None:
    redis = TimedRedis.from_pool(pool)
    held = [await pool.get_connection(), await pool.get_connection()]
    with pytest.raises(RedisConnectionError, match=r"no connection is free within 0\.2 s"):
        await redis.ping()
    await pool.release(held[0])

    assert await redis.ping()


async def test_the_connection_of_a_late_answer_is_closed(pool: SlotPool) -> None:
    redis = TimedRedis.from_pool(pool)
    pool.timeout_s = 0.05
    with pytest.raises(RedisTimeoutError, match=r"no answer within 0\.05 s"):
        await redis.execute_command("BLPOP", "nothing comes here", "0.2")  # type: ignore[no-untyped-call]  # redis-py's
    pool.timeout_s = 5

    assert [await redis.echo(str(number)) for number in range(3)] == [b"0", b"1", b"2"]
    assert await asyncio.gather(*(redis.echo(str(number)) for number in range(10))) == [b"%d" % n for n in range(10)]


async def test_many_at_once_leave_all_connections_free(pool: SlotPool) -> None:
    redis = TimedRedis.from_pool(pool)
    answers = await asyncio.gather(*(redis.ping() for _ in range(100)))

    assert all(answers)
    assert pool.can_get_connection()
    assert len(await _ids(redis)) == 2


async def test_a_connection_that_the_server_closed_is_opened_again(
    pool: SlotPool, redis_server: backends.Redis
) -> None:
    redis = TimedRedis.from_pool(pool)
    await redis.ping()
    held = [await pool.get_connection(), await pool.get_connection()]
    for connection in held:
        await pool.release(connection)
    old = await _ids(redis)
    async with Redis.from_url(redis_server.url) as another:
        for number in old:
            await another.client_kill_filter(_id=number)

    assert len(old) == 2
    assert await asyncio.gather(redis.ping(), redis.ping())
    assert old.isdisjoint(await _ids(redis))


async def test_a_connection_that_shall_be_opened_again_is_closed_first(pool: SlotPool) -> None:
    """As redis-py marks those whose server moves."""
    connection = await pool.get_connection()
    connection.mark_for_reconnect()  # type: ignore[no-untyped-call]  # redis-py's
    await pool.release(connection)

    assert not connection.is_connected


def test_connections_over_tls_share_a_context() -> None:
    """Each of its own would have the process stand still for as long as the system's authorities are many."""
    pool = SlotPool.from_url("rediss://127.0.0.1:1/0", max_connections=2, timeout=1)
    one, other = pool.make_connection(), pool.make_connection()

    assert isinstance(one, SSLConnection)
    assert isinstance(other, SSLConnection)
    assert one.ssl_context.get() is other.ssl_context.get()
