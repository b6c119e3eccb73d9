"""What Redis reports about itself, and whether it accepts a flight's first command."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from prewmanager.adapters.redis.client import translated
from prewmanager.adapters.redis.connect import connect

_KEY_PREFIX = "prew:doctor:"


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """One server, or the first of several; sizes in bytes. `write_error` is empty where a write succeeded."""

    version: str
    used_bytes: int
    max_bytes: int
    policy: str
    write_error: str


async def examine(url: str, *, timeout_s: float) -> ServerInfo:
    """Ask Redis for its state, and try a write that lasts one second. Raises `FlightStoreUnavailable`, `ValueError`."""
    async with connect(url, timeout_s=timeout_s) as redis:
        info = _first(await translated(redis.info(), "no answer to INFO"))
        write_error = ""
        name = f"{_KEY_PREFIX}{secrets.token_hex(8)}"
        try:
            # As a lease is acquired: NX and GET together need Redis 7.0.
            await redis.set(name, b"doctor", nx=True, get=True, px=1000)
            await redis.delete(name)
        except (RedisError, OSError, TimeoutError) as error:
            write_error = str(error)
    return ServerInfo(
        version=str(info.get("redis_version", "0")),
        used_bytes=int(info.get("used_memory", 0)),
        max_bytes=int(info.get("maxmemory", 0)),
        policy=str(info.get("maxmemory_policy", "")),
        write_error=write_error,
    )


def _first(info: object) -> Mapping[str, Any]:
    """A cluster answers with one dictionary for each node."""
    if not isinstance(info, dict):
        return {}
    first = next(iter(info.values()), None)
    return first if isinstance(first, dict) and "redis_version" in first else info
