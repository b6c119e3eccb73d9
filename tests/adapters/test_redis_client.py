"""The client of one server, on a real Redis: slots, tries and time-outs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from devstack import backends
from prewmanager.adapters.redis.client import GuardedRedis, SharedTlsPool

NAME = "pool-under-test"


@pytest.fixture(name="pool")
async def _pool(redis_server: backends.Redis) -> AsyncIterator[SharedTlsPool]:
    pool = _new_pool(redis_server.url)
    yield pool
    await pool.aclose()


def _new_pool(url: str) -> SharedTlsPool:
    options = {"client_name": NAME, "socket_timeout": None, "retry": Retry(NoBackoff(), 1)}
    return SharedTlsPool.from_url(url, max_connections=2, **options)


def _client(pool: SharedTlsPool, *, at_once: int = 2, timeout_s: float = 5) -> GuardedRedis:
    return GuardedRedis(pool, at_once, timeout_s, lambda _: None)


async def _ids(redis: Redis) -> set[str]:
    return {each["id"] for each in await redis.client_list(_type="normal") if each["name"] == NAME}


async def test_commands_wait_for_a_slot_in_order(pool: SharedTlsPool) -> None:
    redis = _client(pool, at_once=1, timeout_s=0.5)
    order: list[str] = []

    async def use(name: str) -> None:
        await redis.execute_command("BLPOP", "nothing comes here", "0.2")
        order.append(name)

    names = ["first", "second", "third", "fourth", "fifth"]  # a second in all: waiting is no part of a try
    await asyncio.gather(*map(use, names))

    assert order == names


async def test_a_blocked_process_is_no_failure_of_redis(pool: SharedTlsPool) -> None:
    """Its event loop is blocked while the response arrives, again and again."""
    redis = _client(pool, timeout_s=0.1)
    for _ in range(3):
        command = asyncio.ensure_future(redis.ping())
        for _ in range(4):
            await asyncio.sleep(0)
            time.sleep(0.35)  # noqa: ASYNC251 -- as a long computation does
        assert await command


@pytest.mark.fault("reply-late")
async def test_a_late_response_reaches_no_other_command(pool: SharedTlsPool) -> None:
    with pytest.raises(RedisTimeoutError, match=r"no answer within 0\.05 s, 2 times"):
        await _client(pool, timeout_s=0.05).execute_command("BLPOP", "nothing comes here", "0.2")
    redis = _client(pool)

    assert [await redis.echo(str(number)) for number in range(3)] == [b"0", b"1", b"2"]
    assert await asyncio.gather(*(redis.echo(str(number)) for number in range(10))) == [b"%d" % n for n in range(10)]


async def test_many_at_once_leave_all_connections_free(pool: SharedTlsPool) -> None:
    redis = _client(pool)
    for attempt in range(300):
        tasks = [asyncio.ensure_future(redis.ping()) for _ in range(8)]
        for _ in range(attempt % 25):
            await asyncio.sleep(0)
        for task in tasks[:4]:
            task.cancel()
        await asyncio.gather(*tasks[:4], return_exceptions=True)
        assert all(await asyncio.gather(*tasks[4:]))
    answers = await asyncio.gather(*(redis.ping() for _ in range(100)))

    assert all(answers)
    assert [count for count, _ in pool.get_connection_count()] == [2, 0]
    assert len(await _ids(redis)) == 2


async def test_a_connection_the_server_closed_is_reopened(pool: SharedTlsPool, redis_server: backends.Redis) -> None:
    redis = _client(pool)
    await asyncio.gather(redis.ping(), redis.ping())
    old = await _ids(redis)
    async with Redis.from_url(redis_server.url) as another:
        for number in old:
            await another.client_kill_filter(_id=number)

    assert len(old) == 2
    assert await asyncio.gather(redis.ping(), redis.ping())
    assert old.isdisjoint(await _ids(redis))


@pytest.mark.parametrize(("failures", "fails"), [(0, False), (1, False), (2, True)])
async def test_a_broken_connection_is_tried_twice(failures: int, *, fails: bool, redis_server: backends.Redis) -> None:
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        if accepted > failures:
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", redis_server.port)
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65536):
                    back_writer.write(data)
                    writer.write(await back_reader.read(65536))
            back_writer.close()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        pool = _new_pool(url)
        with pytest.raises(RedisConnectionError) if fails else contextlib.nullcontext():
            assert await _client(pool).ping()
        await pool.aclose()

    assert accepted == min(failures + 1, 2)


def test_connections_over_tls_share_a_context() -> None:
    """Loading the system's authorities for each connection would block the process."""
    pool = SharedTlsPool.from_url("rediss://127.0.0.1:1/0", max_connections=2)
    one, other = pool.make_connection(), pool.make_connection()

    assert isinstance(one, SSLConnection)
    assert isinstance(other, SSLConnection)
    assert one.ssl_context.get() is other.ssl_context.get()
