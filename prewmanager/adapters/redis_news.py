"""News of landed flights: one subscription for the whole process, and an event for each key that somebody waits for.

A message is a hint that saves the waiting replica a poll. A lost one costs that poll and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisError

from prewmanager.tasks import background

_log = structlog.get_logger(__name__)


class RedisNews:
    """Listens to one channel whose messages are keys; run `listening` around its use."""

    def __init__(self, redis: Redis | RedisCluster, channel: str, *, resubscribe_s: float = 1.0) -> None:
        """`resubscribe_s` is the pause before a lost subscription is taken up again."""
        self._redis = redis
        self._channel = channel
        self._resubscribe_s = resubscribe_s
        self._expected: dict[str, asyncio.Event] = {}

    def expect(self, key: str) -> None:
        """Note messages about this key from now on: called before the board is read, so that none falls in between."""
        self._expected[key] = asyncio.Event()

    def forget(self, key: str) -> None:
        """Stop noting messages about this key."""
        self._expected.pop(key, None)

    async def wait(self, key: str, timeout_s: float) -> None:
        """Return when a message about an expected key came since, at the latest after `timeout_s`; then forget it."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._expected[key].wait()
        except TimeoutError:
            return
        finally:
            self.forget(key)

    def listening(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Listen while the context is open; a lost connection is taken up again."""
        return background(self._listen(), "redis news")

    async def _listen(self) -> None:
        while True:
            try:
                async for key in messages(self._redis, self._channel):
                    if key in self._expected:
                        self._expected[key].set()
            except (RedisError, OSError) as error:
                _log.info("news.lost", error=str(error))
            await asyncio.sleep(self._resubscribe_s)


def messages(redis: Redis | RedisCluster, channel: str) -> AsyncIterator[str]:
    """What is published on a channel from now on; in a cluster, on a sharded one. Raises redis-py's errors."""
    return _of_cluster(redis, channel) if isinstance(redis, RedisCluster) else _of_server(redis, channel)


async def _of_server(redis: Redis, channel: str) -> AsyncIterator[str]:
    async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(channel)
        async for message in pubsub.listen():
            yield message["data"].decode()


async def _of_cluster(cluster: RedisCluster, channel: str) -> AsyncIterator[str]:
    """A sharded channel: its messages stay on the node that has its slot, instead of going to all of them."""
    await cluster.initialize()  # a subscription, unlike a command, does not ask the cluster for its slots by itself
    pubsub = cluster.pubsub(ignore_subscribe_messages=True)
    try:
        await pubsub.ssubscribe(channel)
        while True:
            message = await pubsub.get_sharded_message(timeout=1.0)
            if message is not None and message["type"] == "smessage":
                yield message["data"].decode()
    finally:
        await pubsub.aclose()
