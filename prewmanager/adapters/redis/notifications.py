"""Notifications of landed flights: one subscription for the whole process, and an event for each key that somebody waits for.

A message is a hint that saves the waiting replica a poll. A lost one costs that poll and nothing else. The subscription
is there while somebody waits, and a little longer: a replica whose flights nobody shares hears of nobody's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import structlog
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisError

from prewmanager.tasks import background

_SILENCE_S = 1.0
_PATIENCE_S = 5.0  # with a server that greets nobody; a silent channel is told each second
_log = structlog.get_logger(__name__)


class RedisNotifications:
    """Listens to one channel whose messages are keys; run `listening` around its use."""

    def __init__(
        self, redis: Redis | RedisCluster, channel: str, *, resubscribe_s: float = 1.0, linger_s: float = 10.0
    ) -> None:
        """`resubscribe_s` is the pause before a lost subscription is taken up again.

        `linger_s` is how long it is kept when nobody waits any more.
        """
        self._redis = redis
        self._channel = channel
        self._resubscribe_s = resubscribe_s
        self._linger_s = linger_s
        self._expected: dict[str, asyncio.Event] = {}
        self._wanted = asyncio.Event()
        self._wanted_at = 0.0
        self._subscribed = asyncio.Event()

    def expect(self, key: str) -> None:
        """Note messages about this key from now on: called before the board is read, so that none falls in between."""
        self._expected[key] = asyncio.Event()

    def discard(self, key: str) -> None:
        """Stop noting messages about this key."""
        self._expected.pop(key, None)

    async def wait(self, key: str, timeout_s: float) -> None:
        """Return when a message about an expected key came since, at the latest after `timeout_s`; then forget it.

        Where there was no subscription, returns as soon as there is one: what was published before is to be read.
        """
        self._wanted_at = asyncio.get_running_loop().time()
        self._wanted.set()
        heard = self._expected[key] if self._subscribed.is_set() else self._subscribed
        try:
            async with asyncio.timeout(timeout_s):
                await heard.wait()
        except TimeoutError:
            return
        finally:
            self.discard(key)

    def listening(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Listen while the context is open and somebody waits; a lost connection is taken up again."""
        return background(self._listen(), "redis news")

    async def _listen(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                await self._listen_while_wanted()
            except (RedisError, OSError) as error:
                self._subscribed.clear()
                _log.info("news.lost", error=str(error))
                await asyncio.sleep(self._resubscribe_s)

    async def _listen_while_wanted(self) -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(messages(self._redis, self._channel)) as heard:
            async for key in heard:
                self._subscribed.set()
                if key in self._expected:
                    self._expected[key].set()
                if loop.time() - self._wanted_at > self._linger_s:
                    break
            # Before the subscription ends, and not after: who comes in between has to wait for the next one.
            self._subscribed.clear()
            self._wanted.clear()


def messages(redis: Redis | RedisCluster, channel: str) -> AsyncGenerator[str | None, None]:
    """What is published on a channel from now on; in a cluster, on a sharded one.

    None as soon as the subscription stands, and after each second without a message. Raises redis-py's errors.
    """
    return _of_cluster(redis, channel) if isinstance(redis, RedisCluster) else _of_server(redis, channel)


async def _of_server(redis: Redis, channel: str) -> AsyncGenerator[str | None, None]:
    async with redis.pubsub() as pubsub:
        async with asyncio.timeout(_PATIENCE_S):
            await pubsub.subscribe(channel)
        while True:
            # It connects again by itself, and then waits for a greeting, which may never come.
            async with asyncio.timeout(_PATIENCE_S):
                message = await pubsub.get_message(timeout=_SILENCE_S)
            yield _data(message)


async def _of_cluster(cluster: RedisCluster, channel: str) -> AsyncGenerator[str | None, None]:
    """A sharded channel: its messages stay on the node that has its slot, instead of going to all of them."""
    await cluster.initialize()  # a subscription, unlike a command, does not ask the cluster for its slots by itself
    pubsub = cluster.pubsub()
    try:
        await pubsub.ssubscribe(channel)
        while True:
            yield _data(await pubsub.get_sharded_message(timeout=_SILENCE_S))
    finally:
        await pubsub.aclose()


def _data(message: dict[str, Any] | None) -> str | None:
    return message["data"].decode() if message and message["type"] in {"message", "smessage"} else None
