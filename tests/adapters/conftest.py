"""The stores that adapters with one contract are tested on."""

from __future__ import annotations

import fakeredis
import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis


@pytest.fixture(name="any_redis", params=["memory", "fakeredis", "redis"])
def _any_redis(request: pytest.FixtureRequest) -> RedisClient | None:
    """A client of fakeredis, and of a real Redis; None for the adapter in memory."""
    if request.param == "redis":
        server: Redis = request.getfixturevalue("redis_server")
        return RedisClient.from_url(server.url)
    return fakeredis.FakeAsyncRedis() if request.param == "fakeredis" else None
