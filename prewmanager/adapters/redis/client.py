"""Redis clients with a bounded number of commands at once and one time-out for each try, by redis-py's public API.

redis-py's `BlockingConnectionPool` gives a free connection to whoever asks at that moment, ahead of those who wait; its
time-out is the same exception as a lost connection, and it has no form for sentinels. Its socket time-out starts a task
for each write before Python 3.12, which is why connections have none here. docs/decisions/0012 has the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any

from redis.asyncio import ConnectionPool, Redis, RedisCluster
from redis.asyncio.connection import AbstractConnection, RedisSSLContext, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from prewmanager.errors import FlightStoreUnavailable

_TRIES = 2


class SlotTimeout(RedisError):
    """No slot became free in time: this process is overloaded, which says nothing about Redis."""


class Slots:
    """`async with` for at most `count` tasks at once; the others wait in order, each for at most `timeout_s`.

    Raises `SlotTimeout`.
    """

    def __init__(self, count: int, timeout_s: float) -> None:
        self._semaphore = asyncio.Semaphore(count)
        self._timeout_s = timeout_s

    async def __aenter__(self) -> None:
        if not self._semaphore.locked():
            await self._semaphore.acquire()
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._semaphore.acquire()
        except TimeoutError as error:
            raise SlotTimeout(f"no slot is free within {self._timeout_s:g} s") from error

    async def __aexit__(self, *_: object) -> None:
        self._semaphore.release()


class SharedTlsPool(ConnectionPool):
    """redis-py's pool; its TLS connections share one context, whose creation blocks the event loop for 20 ms."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._shared_tls: RedisSSLContext | None = None

    def make_connection(self) -> AbstractConnection:
        """Create a connection, which is not connected yet."""
        connection: AbstractConnection = super().make_connection()  # type: ignore[no-untyped-call]  # redis-py's
        if isinstance(connection, SSLConnection):
            connection.ssl_context = self._shared_tls = self._shared_tls or connection.ssl_context
        return connection


class SlottedRedis(Redis):
    """redis-py's client of one server: each command waits for a slot, then has two tries of `timeout_s` each.

    A try connects, sends and receives; where the connection breaks during it, redis-py connects and sends once more. A
    try that times out closes its connection, so that a late response reaches no other command. Subscriptions have
    connections of their own, and take no slot.
    """

    def __init__(self, pool: ConnectionPool, slots: Slots, timeout_s: float) -> None:
        """`pool` belongs to the caller; its connections retry once, and have no socket time-out."""
        super().__init__(connection_pool=pool)
        self._slots = slots
        self._timeout_s = timeout_s

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and return its response. Raises redis-py's errors, and `SlotTimeout`."""
        async with self._slots:
            for _ in range(_TRIES):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._timeout_s):
                        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's
            raise RedisTimeoutError(f"no answer within {self._timeout_s:g} s, {_TRIES} times")


class SlottedCluster(RedisCluster):
    """redis-py's client of a cluster: each command waits for a slot, which bounds the connections to any node.

    By itself it fails at the command for which a node's connections, a hundred, are not enough.
    """

    def __init__(self, slots: Slots, timeout_s: float, **options: Any) -> None:
        """`timeout_s`: how long a node may take for one step of a try."""
        super().__init__(socket_connect_timeout=timeout_s, socket_timeout=timeout_s, **options)
        self._slots = slots
        self._timeout_s = timeout_s

    async def initialize(self, *args: Any, **options: Any) -> RedisCluster:
        """Find the nodes, unless they are known. Raises redis-py's `ConnectionError` where none answers in time.

        All commands wait for the same search, which asks one node after the other; redis-py lets each of them search
        again where it fails, one after the other as well, and its error is no `RedisError`.
        """
        tries = _TRIES * (len(self.nodes_manager.startup_nodes) + 1)
        try:
            async with asyncio.timeout(self._timeout_s * tries):
                return await super().initialize(*args, **options)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
        except TimeoutError as error:
            raise RedisConnectionError("no node of the cluster answered in time") from error

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command to its node and return its response. Raises redis-py's errors, and `SlotTimeout`."""
        async with self._slots:
            # Before it knows the nodes, it asks any of them, and disconnects from all at the fifth redirection.
            await self.initialize()
            try:
                return await super().execute_command(*args, **options)
            except RedisClusterException as error:  # such as a slot that no node serves
                raise RedisConnectionError(str(error)) from error


async def translated(command: Awaitable[object], failed: str) -> object:
    """Await a command's answer. Raises `FlightStoreUnavailable`, beginning with `failed`, where there is none."""
    try:
        return await command
    except (RedisError, OSError, TimeoutError) as error:
        raise FlightStoreUnavailable(f"{failed}: {error}") from error
