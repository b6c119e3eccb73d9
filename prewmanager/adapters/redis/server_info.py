"""What Redis reports about itself, and whether it runs a flight's scripts."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.redis.client import Script, translated
from prewmanager.adapters.redis.connect import connect
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.tasks import background

_KEY_PREFIX = "prew:doctor:"
_WATCH_EVERY_S = 15.0  # as often as Prometheus usually asks
# As a lease is acquired and released.
_WRITE = """
redis.call('TIME')
redis.call('SET', KEYS[1], 'doctor', 'PX', 1000)
return redis.call('DEL', KEYS[1])
"""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """One server, or the first of several; sizes in bytes. `write_error` is empty where a write succeeded."""

    version: str
    used_bytes: int
    max_bytes: int
    policy: str
    evicted_keys: int
    write_error: str


async def examine(url: str, *, timeout_s: float, password_file: Path | None = None) -> ServerInfo:
    """Ask Redis for its state, and try a write that lasts one second. Raises `FlightStoreUnavailable`, `ValueError`."""
    async with connect(url, timeout_s=timeout_s, password_file=password_file) as redis:
        info = _nodes(await translated(redis.info(), "no answer to INFO"))[0]
        write_error = ""
        name = f"{_KEY_PREFIX}{secrets.token_hex(8)}"
        try:
            await Script(redis, _WRITE)(name, failed="a write failed")
        except FlightStoreUnavailable as error:
            write_error = str(error)
    return ServerInfo(
        version=str(info.get("redis_version", "0")),
        used_bytes=int(info.get("used_memory", 0)),
        max_bytes=int(info.get("maxmemory", 0)),
        policy=str(info.get("maxmemory_policy", "")),
        evicted_keys=int(info.get("evicted_keys", 0)),
        write_error=write_error,
    )


def _nodes(info: object) -> list[Mapping[str, Any]]:
    """A cluster answers with one dictionary for each node."""
    if not isinstance(info, dict):
        return []
    values = list(info.values())
    return values if values and all(isinstance(each, dict) for each in values) else [info]


def watching_evictions(redis: Redis | RedisCluster, report: Callable[[int], None]) -> AbstractAsyncContextManager[None]:
    """Report inside the block how many keys Redis has evicted since its start, every 15 seconds.

    Nothing is reported while Redis is away, or does not allow INFO.
    """
    return background(_watch_evictions(redis, report), "redis evictions")


async def _watch_evictions(redis: Redis | RedisCluster, report: Callable[[int], None]) -> None:
    while True:
        with suppress(FlightStoreUnavailable):
            info = await translated(redis.info("stats"), "no answer to INFO")
            report(sum(int(each.get("evicted_keys", 0)) for each in _nodes(info)))
        await asyncio.sleep(_WATCH_EVERY_S)
