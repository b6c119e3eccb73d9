"""The contact sheet's reports between replicas, through a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from devstack.backends import Redis
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.relay import RELAY_CHANNEL, RedisRelay
from tests.support.fakes import until_reported


async def test_reports_reach_the_listening_replicas_of_the_bucket(redis_server: Redis) -> None:
    async with connect(redis_server.url) as redis:
        relay = RedisRelay(redis, namespace="one")
        received = relay.received()
        assert isinstance(received, AsyncGenerator)
        async with contextlib.aclosing(received):
            next_one = asyncio.ensure_future(anext(received))
            await _subscribed(redis_server, "one")
            nobody = await RedisRelay(redis, namespace="another").send("cccccc", "not this")
            assert (nobody, await relay.send("bbbbbb", "")) == (0, 1)  # which only counts
            receivers = await relay.send("aaaaaa", '{"preview":"a b ü\\n"}')

            assert receivers == 1
            assert await next_one == ("aaaaaa", '{"preview":"a b ü\\n"}')


async def test_redis_away_is_no_error() -> None:
    async with connect("redis://127.0.0.1:1/0") as redis:
        relay = RedisRelay(redis, namespace="one", resubscribe_s=0.01)
        assert await relay.send("aaaaaa", "lost") == 0
        listening = asyncio.ensure_future(anext(relay.received()))
        done, _ = await asyncio.wait([listening], timeout=0.1)
        listening.cancel()

        assert not done


async def _subscribed(redis_server: Redis, namespace: str) -> None:
    import redis

    with redis.Redis.from_url(redis_server.url) as asking:
        channel = f"{RELAY_CHANNEL}{namespace}"
        await until_reported(lambda: asking.execute_command("PUBSUB", "SHARDNUMSUB", channel)[1] == 1)
