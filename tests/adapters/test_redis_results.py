"""Cached results in Redis, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis as Client

from devstack.backends import Redis
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.results import RedisResultCache
from prewmanager.errors import FlightStoreUnavailable


@pytest.fixture(name="client")
async def _client(redis_server: Redis) -> AsyncIterator[Client]:
    async with connect(redis_server.url) as client:
        assert isinstance(client, Client)
        yield client


async def test_more_results_than_one_batch(client: Client) -> None:
    namespace = f"bucket[{uuid4().hex}]*"
    for number in range(100):
        await client.set(f"prew:flight:{namespace}/prew/card/{number}@f", b"failed:{}", ex=60)
    await client.set(f"prew:flight:{namespace}/prew/card/x@f", b"blocked:token", ex=60)
    cached_results = RedisResultCache(client, namespace=namespace)

    assert await cached_results.count(lambda key: key.startswith("prew/card/")) == 100
    assert await cached_results.evict(lambda key: key == "prew/card/7") == 1
    assert await cached_results.evict(lambda key: key.startswith("prew/card/")) == 99
    assert await client.keys(f"prew:flight:{namespace.replace('[', '?').replace(']', '?')}/*") == [
        f"prew:flight:{namespace}/prew/card/x@f".encode()
    ]


async def test_an_unreachable_redis_is_an_error() -> None:
    async with connect("redis://127.0.0.1:1/0") as client:
        cached_results = RedisResultCache(client, namespace="photos")
        with pytest.raises(FlightStoreUnavailable):
            await cached_results.ping()
        with pytest.raises(FlightStoreUnavailable):
            await cached_results.count(bool)
        with pytest.raises(FlightStoreUnavailable):
            await cached_results.evict(bool)
