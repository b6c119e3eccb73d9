"""Subscriptions of one process to sharded channels, whose messages stay on the node of their slot.

A connection whose other end is gone without a word, as behind a router that forgot it, is silent for ever: it is asked
for a pong after a silent second, and counts as lost when the next second is silent too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import ClusterPubSub
from redis.exceptions import ConnectionError as RedisConnectionError

from prewmanager.tasks import end

_SILENCE_S = 1.0
_CONNECT_TIMEOUT_S = 5.0  # for a server that accepts and answers nothing
# Gets a channel and a message, or None where the subscription stands from now on.
OnMessage = Callable[[str, str | None], None]


class Subscriptions(Protocol):
    """The subscriptions of one process. All methods raise redis-py's errors, `OSError` and `TimeoutError`."""

    async def run(self) -> None:
        """Connect, and pass messages on until that fails."""
        ...

    async def subscribe(self, channel: str) -> None:
        """Request a subscription, once `run` has connected."""
        ...

    async def unsubscribe(self, channel: str) -> None:
        """Request its end."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


def subscriptions(redis: Redis | RedisCluster, on_message: OnMessage) -> Subscriptions:
    """Return subscriptions at a server or in a cluster, of which there are none yet."""
    return _InCluster(redis, on_message) if isinstance(redis, RedisCluster) else _AtServer(redis, on_message)


async def run_during(connection: Subscriptions, work: Coroutine[Any, Any, None]) -> None:
    """Run the subscriptions until `work` ends, or they fail, then close them. Raises what either raises."""
    tasks = [asyncio.create_task(each, name="redis subscriptions") for each in (connection.run(), work)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        try:
            await end(*tasks)
        finally:
            await connection.aclose()
    errors = [error for task in tasks if not task.cancelled() and (error := task.exception())]
    if errors:
        raise errors[0]


class _Connection:
    """One connection. A task reads from it, but not while a command is sent: redis-py reconnects in both, by itself."""

    def __init__(
        self,
        current: Callable[[], PubSub | None],
        receive: Callable[[], Awaitable[dict[str, Any] | None]],
        on_message: OnMessage,
        failed: asyncio.Future[None],
    ) -> None:
        """`current` returns redis-py's side of it, or None where it is closed until the next subscription.

        `receive` returns the next message, or None after a silent second; `failed` gets the reader's error.
        """
        self._current = current
        self._receive = receive
        self._on_message = on_message
        self._failed = failed
        self._reader: asyncio.Task[None] | None = None

    async def send(self, command: Callable[[str], Awaitable[None]], channel: str) -> None:
        """Send a command for a channel, and read on."""
        await self.pause()
        await command(channel)
        self._reader = asyncio.create_task(self._read(), name="redis subscriptions")
        self._reader.add_done_callback(self._ended)

    async def pause(self) -> None:
        """Stop reading."""
        if self._reader is not None:
            await end(self._reader)

    async def _read(self) -> None:
        """Pass messages on; after a silent second, the answer to a ping has to come within another one."""
        while (pubsub := self._current()) is not None:
            # redis-py reconnects by itself, and then waits for an answer that may never come.
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                message = await self._receive()
                if message is None:
                    await pubsub.ping()
                    message = await self._receive()
            if message is None:
                raise RedisConnectionError("the subscription is silent")
            if message["type"] in {"ssubscribe", "smessage"}:
                data = message["data"].decode() if message["type"] == "smessage" else None
                self._on_message(message["channel"].decode(), data)

    def _ended(self, reader: asyncio.Task[None]) -> None:
        error = None if reader.cancelled() else reader.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)


class _AtServer:
    def __init__(self, redis: Redis, on_message: OnMessage) -> None:
        self._pubsub = redis.pubsub()
        self._connected = asyncio.Event()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        receive = partial(self._pubsub.get_message, timeout=_SILENCE_S)
        self._connection = _Connection(lambda: self._pubsub, receive, on_message, self._failed)

    async def run(self) -> None:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            await self._pubsub.connect()  # type: ignore[no-untyped-call]  # redis-py annotates only some
        self._connected.set()
        await self._failed

    async def subscribe(self, channel: str) -> None:
        await self._connected.wait()
        await self._connection.send(self._pubsub.ssubscribe, channel)

    async def unsubscribe(self, channel: str) -> None:
        await self._connected.wait()
        await self._connection.send(self._pubsub.sunsubscribe, channel)

    async def aclose(self) -> None:
        await self._connection.pause()
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py annotates only some


class _InCluster:
    """One connection to each node that has the slot of a channel."""

    def __init__(self, cluster: RedisCluster, on_message: OnMessage) -> None:
        self._cluster = cluster
        self._on_message = on_message
        self._pubsub: asyncio.Future[ClusterPubSub] = asyncio.get_running_loop().create_future()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connections: dict[str, _Connection] = {}

    async def run(self) -> None:
        await self._cluster.initialize()  # a subscription, unlike a command, does not ask the cluster for its slots
        self._pubsub.set_result(self._cluster.pubsub())
        await self._failed

    async def subscribe(self, channel: str) -> None:
        pubsub = await self._pubsub
        await self._at(pubsub, channel).send(pubsub.ssubscribe, channel)

    async def unsubscribe(self, channel: str) -> None:
        pubsub = await self._pubsub
        await self._at(pubsub, channel).send(pubsub.sunsubscribe, channel)

    async def aclose(self) -> None:
        for connection in self._connections.values():
            await connection.pause()
        if self._pubsub.done():
            await self._pubsub.result().aclose()

    def _at(self, pubsub: ClusterPubSub, channel: str) -> _Connection:
        node = self._cluster.get_node_from_key(channel)
        if node is None:
            raise RedisConnectionError("no node has the channel's slot")
        if node.name not in self._connections:
            receive = partial(pubsub.get_sharded_message, timeout=_SILENCE_S, target_node=node)
            current = partial(pubsub.node_pubsub_mapping.get, node.name)
            self._connections[node.name] = _Connection(current, receive, self._on_message, self._failed)
        return self._connections[node.name]
