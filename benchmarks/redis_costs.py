"""What Redis spends on a miss, driven by the service's own adapters as fast as it can be.

A slower load would count Redis's own rounds of housekeeping as a part of each miss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

from redis import Redis as Client
from redis.asyncio import Redis as AsyncClient

from benchmarks.processes import cpu_seconds
from benchmarks.report import Figure
from devstack.backends import Redis
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.flight_store import KEY_PREFIX
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.adapters.redis.photo_faults import RedisPhotoFaults
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.resizing.photo_faults import FaultTimes
from tests.support.fakes import made
from tests.support.redis_flights import redis_flight_store

PREVIEW_BYTES = 70_000
SUBSCRIBERS = 200
_AT_ONCE = 16
_RESULT_S = 10
UNWRITTEN_S = 2  # how long a result has its bytes, where S3 has the preview when it is asked first
_UNWRITTEN_LIFE_S = 30
_SMALL_BYTES = 100
_PREVIEW = made(b"\xff" * PREVIEW_BYTES)
_UNWRITTEN = replace(_PREVIEW, stored=False)


class _Replica:
    """A process of the service, as far as Redis sees it."""

    def __init__(self, redis: AsyncClient) -> None:
        self.notifications = RedisNotifications(redis)
        self._faults = RedisPhotoFaults(redis, namespace="photos", times=FaultTimes(60, 10, 20))
        self._store = redis_flight_store(redis, self.notifications, max_body_bytes=1 << 20)

    async def acquires(self, key: str) -> Lease:
        """Begin a miss."""
        lease = await self._store.acquire(key)
        if isinstance(lease, Held | Completed):
            raise TypeError(f"{key} is not new")
        await self._faults.known(key)
        return lease

    async def miss(self, key: str) -> None:
        """Have a miss of its own."""
        await (await self.acquires(key)).complete(_PREVIEW, _RESULT_S)

    async def answers_first(self, key: str) -> None:
        """Have a miss of its own, whose result has the bytes until the preview is written."""
        lease = await self.acquires(key)
        await lease.complete(_UNWRITTEN, _UNWRITTEN_LIFE_S)
        await lease.replace(replace(_PREVIEW, body=None), _RESULT_S)

    async def unwritten(self, key: str) -> None:
        """Have the first half of such a miss."""
        await (await self.acquires(key)).complete(_UNWRITTEN, _UNWRITTEN_LIFE_S)

    async def waits(self, key: str, lease: Lease) -> None:
        """Wait for a miss of another replica, which completes once this one waits."""
        with self._store.watching(key):
            await self._store.acquire(key)
            await self._store.wait_for_change(key, 30)  # returns when the subscription stands
            if not isinstance(await self._store.acquire(key), Held):
                raise TypeError(f"{key} is completed before its time")
            came = asyncio.create_task(self._store.wait_for_change(key, 30))
            await lease.complete(_PREVIEW, _RESULT_S)
            await came
            if not isinstance(await self._store.acquire(key), Completed):
                raise TypeError(f"{key} has no result")


def flights(redis: Redis, count: int) -> list[Figure]:
    """Measure lonely misses, and misses for which a second replica waits."""
    return asyncio.run(_flights(redis, count))


async def _flights(redis: Redis, count: int) -> list[Figure]:
    async with connect(redis.url, timeout_s=20) as client:
        if not isinstance(client, AsyncClient):
            raise TypeError("a cluster has no one process to measure")
        one, other = _Replica(client), _Replica(client)

        async def both(key: str) -> None:
            await other.waits(key, await one.acquires(key))

        async with one.notifications.listening(), other.notifications.listening():
            await _load(redis, "warm", one.miss, _AT_ONCE)
            lonely = await _load(redis, "lonely", one.miss, count)
            last = f"{KEY_PREFIX}photos/lonely {count - 1}"
            held, left_ms = await client.memory_usage(last), await client.pttl(last)
            first = await _load(redis, "answered first", one.answers_first, count)
            await one.unwritten("unwritten")
            unwritten = await client.memory_usage(f"{KEY_PREFIX}photos/unwritten")
            shared = await _load(redis, "shared", both, count // 4)
    return [
        Figure("Redis: CPU of a miss", lonely["cpu_us"], "µs"),
        Figure("Redis: commands of a miss", lonely["commands"], ""),
        Figure("Redis: received for a miss", lonely["input"] / 1000, "KB"),
        Figure("Redis: sent for a miss", lonely["output"] / 1000, "KB"),
        Figure("Redis: held after a miss", cast("int", held) / 1000, "KB"),
        Figure("Redis: for how long, at most", _RESULT_S if left_ms <= _RESULT_S * 1000 else left_ms / 1000, "s"),
        Figure("Redis, answered first: CPU of a miss", first["cpu_us"], "µs"),
        Figure("Redis, answered first: commands of a miss", first["commands"], ""),
        Figure("Redis, answered first: received for a miss", first["input"] / 1000, "KB"),
        Figure("Redis, answered first: held until it is written", cast("int", unwritten) / 1000, "KB"),
        Figure("Redis: CPU that a second replica adds, which waits", shared["cpu_us"] - lonely["cpu_us"], "µs"),
        Figure("Redis: received for a miss of both", shared["input"] / 1000, "KB"),
        Figure("Redis: sent for a miss of both", shared["output"] / 1000, "KB"),
    ]


async def _load(redis: Redis, name: str, one: Callable[[str], Awaitable[None]], count: int) -> dict[str, float]:
    """Run `count` flights, some at once; return Redis's counts for each."""
    keys = [f"{name} {number}" for number in range(count)]
    left = iter(keys)

    async def worker() -> None:
        for key in left:
            await one(key)

    with Client.from_url(redis.url) as client:
        before = _counts(redis, client)
        await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))
        after = _counts(redis, client)
    return {what: (after[what] - before[what]) / count for what in after}


def _counts(redis: Redis, client: Client) -> dict[str, float]:
    stats = client.info("stats")
    commands = cast("dict[str, dict[str, int]]", client.info("commandstats"))
    # Those that a client sends: what a script calls is counted too, under its own name.
    sent = sum(
        commands.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "ssubscribe", "sunsubscribe")
    )
    traffic = {name: float(stats[f"total_net_{name}_bytes"]) for name in ("input", "output")}
    return {"cpu_us": cpu_seconds(redis.program.pid) * 1e6, "commands": sent, **traffic}


def alone(redis: Redis, count: int) -> list[Figure]:
    """Measure a command, a byte, and a message to one of many subscribers."""
    client: Any = Client.from_url(redis.url, max_connections=SUBSCRIBERS + 1)  # its commands by name have no types

    def us_each(command: str, *arguments: str | bytes) -> float:
        before = cpu_seconds(redis.program.pid)
        for _ in range(count):
            client.execute_command(command, *arguments)
        return (cpu_seconds(redis.program.pid) - before) * 1e6 / count

    us_each("SET", "k", b"x")
    small, large = (us_each("SET", "k", b"x" * size) for size in (_SMALL_BYTES, PREVIEW_BYTES))
    unheard = us_each("PUBLISH", "channel", b"key")
    subscriptions = [client.pubsub() for _ in range(SUBSCRIBERS)]
    for each in subscriptions:
        each.subscribe("channel")
    while client.execute_command("PUBSUB", "NUMSUB", "channel")[1] < SUBSCRIBERS:
        pass
    heard = us_each("PUBLISH", "channel", b"key")
    return [
        Figure("Redis: CPU of a command", small, "µs"),
        Figure("Redis: CPU of a kilobyte received", (large - small) * 1000 / (PREVIEW_BYTES - _SMALL_BYTES), "µs"),
        Figure(f"Redis: CPU of PUBLISH to {SUBSCRIBERS} subscribers", heard, "µs"),
        Figure("Redis: CPU of a message to one of them", (heard - unheard) / SUBSCRIBERS, "µs"),
    ]
