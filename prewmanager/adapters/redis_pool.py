"""Connections to Redis, for which commands wait their turn.

redis-py's `BlockingConnectionPool` takes two locks, a time-out, an event and three measurements for each command: as
much as the command's own work, and a twentieth of a whole miss. And who asks just when a connection is given back may
have it before those who wait.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.maint_notifications import MaintNotificationsConfig


class TurnsPool(ConnectionPool):
    """redis-py's pool, with at most so many connections; the next command gets one in its turn, or an error in time.

    Waiting times are not measured, and connections neither get new credentials nor follow a server that says that it is
    moving; they are closed then, and the command is sent again.
    """

    def __init__(self, *, max_connections: int, timeout: float, **options: Any) -> None:
        """`timeout`: seconds that a command waits for its turn."""
        options["maint_notifications_config"] = MaintNotificationsConfig(enabled=False)
        super().__init__(max_connections=max_connections, **options)
        self._turns = asyncio.Semaphore(max_connections)
        self._timeout_s = timeout

    async def get_connection(self, *_: Any, **__: Any) -> AbstractConnection:
        """A connection that is ready for a command. Raises redis-py's `ConnectionError` when none is free in time."""
        await (self._turn_comes() if self._turns.locked() else self._turns.acquire())
        connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]  # redis-py's
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def _turn_comes(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._turns.acquire()
        except TimeoutError as error:
            raise RedisConnectionError("No connection is free.") from error

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back."""
        self._in_use_connections.remove(connection)
        try:
            if connection.should_reconnect():  # type: ignore[no-untyped-call]  # redis-py's
                await connection.disconnect()
        finally:
            self._available_connections.append(connection)
            self._turns.release()
