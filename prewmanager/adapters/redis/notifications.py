"""Notifications of completed flights: one subscription per process, and an event for each key that a flight waits for.

A notification is a hint that saves the waiting replica a poll; a lost one costs that poll and nothing else. The process
subscribes while a flight waits, and a little longer: a replica that shares no flight receives no notifications.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any

import structlog
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from prewmanager.tasks import background

_SILENCE_S = 1.0  # a silent channel yields None as often
_CONNECT_TIMEOUT_S = 5.0  # for a server that accepts and answers nothing
_log = structlog.get_logger(__name__)


class RedisNotifications:
    """Listens to one channel whose messages are keys; run `listening` around its use."""

    def __init__(
        self, redis: Redis | RedisCluster, channel: str, *, resubscribe_s: float = 1.0, linger_s: float = 10.0
    ) -> None:
        """`resubscribe_s`: the pause before a lost subscription is renewed; `linger_s`: how long it outlasts a wait."""
        self._redis = redis
        self._channel = channel
        self._resubscribe_s = resubscribe_s
        self._linger_s = linger_s
        self._expected: dict[str, asyncio.Event] = {}
        self._wanted = asyncio.Event()
        self._wanted_at = 0.0
        self._subscribed = asyncio.Event()

    @contextlib.contextmanager
    def expecting(self, key: str) -> Iterator[None]:
        """Record notifications about this key inside the block; read Redis there, so that none is missed."""
        self._expected[key] = asyncio.Event()
        try:
            yield
        finally:
            del self._expected[key]

    async def wait(self, key: str, timeout_s: float) -> None:
        """Return when a notification about an expected key has come, after `timeout_s` at the latest.

        Without a subscription, return as soon as there is one: what was published before has to be read.
        """
        self._wanted_at = asyncio.get_running_loop().time()
        self._wanted.set()
        expected = self._expected[key]
        try:
            async with asyncio.timeout(timeout_s):
                await (expected if self._subscribed.is_set() else self._subscribed).wait()
        except TimeoutError:
            return
        finally:
            expected.clear()  # before Redis is read again

    def listening(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Listen while the block is open and a flight waits; a lost subscription is renewed."""
        return background(self._listen(), "redis notifications")

    async def _listen(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                await self._listen_while_wanted()
            except (RedisError, OSError) as error:
                self._subscribed.clear()
                _log.info("notifications.lost", error=str(error))
                await asyncio.sleep(self._resubscribe_s)

    async def _listen_while_wanted(self) -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(messages(self._redis, self._channel)) as received:
            async for key in received:
                self._subscribed.set()
                if key in self._expected:
                    self._expected[key].set()
                if loop.time() - self._wanted_at > self._linger_s:
                    break
            # Before the subscription ends, not after: a wait that starts in between needs the next subscription.
            self._subscribed.clear()
            self._wanted.clear()


def messages(redis: Redis | RedisCluster, channel: str) -> AsyncGenerator[str | None, None]:
    """Yield what is published on a channel from now on; in a cluster, on a sharded one.

    Yield None as soon as the subscription stands, and after each second without a message. Raises redis-py's errors.
    """
    return _of_cluster(redis, channel) if isinstance(redis, RedisCluster) else _of_server(redis, channel)


async def _of_server(redis: Redis, channel: str) -> AsyncGenerator[str | None, None]:
    async with redis.pubsub() as pubsub:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            await pubsub.subscribe(channel)
        silent = False
        while True:
            # It reconnects by itself, and then waits for an answer that may never come.
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                message = await pubsub.get_message(timeout=_SILENCE_S)
            silent = await _asked(message, [pubsub], silent=silent)
            yield _data(message)


async def _of_cluster(cluster: RedisCluster, channel: str) -> AsyncGenerator[str | None, None]:
    """Subscribe to a sharded channel, whose messages stay on the node of its slot instead of reaching all nodes."""
    await cluster.initialize()  # a subscription, unlike a command, does not ask the cluster for its slots by itself
    pubsub = cluster.pubsub()
    try:
        await pubsub.ssubscribe(channel)
        silent = False
        while True:
            message = await pubsub.get_sharded_message(timeout=_SILENCE_S)
            silent = await _asked(message, pubsub.node_pubsub_mapping.values(), silent=silent)
            yield _data(message)
    finally:
        await pubsub.aclose()


async def _asked(message: dict[str, Any] | None, subscriptions: Iterable[PubSub], *, silent: bool) -> bool:
    """Ask for a pong after a silent second, and return whether that was done.

    Raises `ConnectionError` where the last question was not answered: a connection whose other end is gone without a
    word, as behind a router that forgot it, is silent for ever.
    """
    if message is not None:
        return False
    if silent:
        raise RedisConnectionError("the subscription is silent")
    for subscription in subscriptions:
        await subscription.ping()
    return True


def _data(message: dict[str, Any] | None) -> str | None:
    return message["data"].decode() if message and message["type"] in {"message", "smessage"} else None
