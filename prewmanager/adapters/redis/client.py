"""Clients of Redis whose commands wait their turn for a connection, and then have their time.

Of what a command takes in redis-py, more than half is its pool (two locks, a time-out, an event and three measurements)
and its time-outs (a task for each write, before Python 3.12). That is a tenth of a whole miss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

from redis.asyncio import ConnectionPool, Redis, RedisCluster
from redis.asyncio.connection import AbstractConnection, RedisSSLContext, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from prewmanager.errors import FlightStoreUnavailable


class Slots:
    """So many at once; the next wait, each for so long, and come in their order."""

    def __init__(self, at_once: int, max_wait_s: float) -> None:
        self._semaphore = asyncio.Semaphore(at_once)
        self._max_wait_s = max_wait_s

    async def acquire(self) -> None:
        """Return when it is one's turn. Raises redis-py's `ConnectionError` where that is not in time."""
        if not self._semaphore.locked():
            await self._semaphore.acquire()
            return
        try:
            async with asyncio.timeout(self._max_wait_s):
                await self._semaphore.acquire()
        except TimeoutError as error:
            raise RedisConnectionError(f"no connection is free within {self._max_wait_s:g} s") from error

    def release(self) -> None:
        """Let the next one come."""
        self._semaphore.release()


class TimedRedis(Redis):
    """redis-py's client, with one time-out for each try of a command in place of one for each of its steps.

    It is that of its pool, a `SlotPool`, whose connections need no `socket_timeout`.
    """

    async def _send_command_parse_response(self, *args: Any, **options: Any) -> Any:
        timeout_s = cast("SlotPool", self.connection_pool).timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await super()._send_command_parse_response(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's
        except TimeoutError as error:
            raise RedisTimeoutError(f"no answer within {timeout_s:g} s") from error


class SlotPool(ConnectionPool):
    """redis-py's pool, with at most so many connections; who comes next gets one in its turn.

    redis-py's own blocking pool gives one that is free again to whoever asks at that moment, before those who wait.
    Here waiting times are not measured, and connections neither get new credentials nor follow a server that says that
    it is moving: they are closed then, and the command is sent again.
    """

    def __init__(self, *, max_connections: int, timeout: float, **options: Any) -> None:
        """`timeout`: seconds that a command waits for its turn, for a connection that is new, and for its answer."""
        options["maint_notifications_config"] = MaintNotificationsConfig(enabled=False)
        super().__init__(max_connections=max_connections, **options)
        self._slots = Slots(max_connections, timeout)
        self.timeout_s = timeout
        self._tls: RedisSSLContext | None = None

    async def get_connection(self, *_: Any, **__: Any) -> AbstractConnection:
        """A connection that is ready for a command. Raises redis-py's `ConnectionError` where there is none in time."""
        await self._slots.acquire()
        try:
            connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]  # redis-py's
        except BaseException:
            self._slots.release()
            raise
        try:
            async with asyncio.timeout(self.timeout_s):
                await self.ensure_connection(connection)
        except TimeoutError as error:
            await self.release(connection)
            raise RedisConnectionError(f"no connection is made within {self.timeout_s:g} s") from error
        except BaseException:
            await self.release(connection)
            raise
        return connection

    def make_connection(self) -> AbstractConnection:
        """A new connection. Those over TLS share one context, which takes 30 ms to make, and all else stands still."""
        connection: AbstractConnection = super().make_connection()  # type: ignore[no-untyped-call]  # redis-py's
        if isinstance(connection, SSLConnection):
            connection.ssl_context = self._tls = self._tls or connection.ssl_context
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back."""
        self._in_use_connections.remove(connection)
        try:
            if connection.should_reconnect():  # type: ignore[no-untyped-call]  # redis-py's
                await connection.disconnect()
        finally:
            self._available_connections.append(connection)
            self._slots.release()


class SlotCluster(RedisCluster):
    """redis-py's client of a cluster, with at most so many commands at once, and so connections to any node.

    By itself it fails at the command for which a node's connections, a hundred, are not enough.
    """

    def __init__(self, *, max_commands: int, max_wait_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._slots = Slots(max_commands, max_wait_s)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command to its node. Raises redis-py's errors, `ConnectionError` where it is not its turn in time."""
        await self._slots.acquire()
        try:
            # Before it knows the nodes, it asks any of them; at the fifth that names another, it breaks up with all.
            await self.initialize()
            return await super().execute_command(*args, **options)
        finally:
            self._slots.release()


async def translated(command: Awaitable[object], failed: str) -> object:
    """Await a command's answer. Raises `FlightStoreUnavailable`, beginning with `failed`, where there is none."""
    try:
        return await command
    except (RedisError, OSError, TimeoutError) as error:
        raise FlightStoreUnavailable(f"{failed}: {error}") from error
