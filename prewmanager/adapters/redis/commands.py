"""Commands to Redis whose failures are ours."""

from __future__ import annotations

from collections.abc import Awaitable

from redis.exceptions import RedisError

from prewmanager.errors import FlightStoreUnavailable


async def answered(command: Awaitable[object], failed: str) -> object:
    """The answer to a command. What can go wrong on the way raises `FlightStoreUnavailable`, which begins with `failed`."""
    try:
        return await command
    except (RedisError, OSError, TimeoutError) as error:
        raise FlightStoreUnavailable(f"{failed}: {error}") from error
