"""The faults that the soak injects, named for their promises in tests/promises, which say what clients may see of them.

Each is a block: it begins the fault, and its end repairs what does not repair itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from random import Random
from typing import Any

from aiohttp import web
from redis.asyncio import Redis as RedisClient

from tests.soak.proxies import Canned, Cut, HttpProxy, Refused, Trouble
from tests.soak.system import System

Inject = Callable[[System, Random], AbstractAsyncContextManager[None]]
FAULTS: dict[str, Inject] = {}
_NOWHERE = ("127.0.0.1", "1")
_FOREIGN_S, _FOREIGN_KEYS = "4", 10
# In one step: a replica would put a lease between.
_LIST = "redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], 'an element') redis.call('EXPIRE', KEYS[1], ARGV[1])"
_TRIES = 200  # to find an invocation in flight


def _fault(name: str) -> Callable[[Callable[[System, Random], AsyncGenerator[None]]], Inject]:
    def add(inject: Callable[[System, Random], AsyncGenerator[None]]) -> Inject:
        FAULTS[name] = asynccontextmanager(inject)
        return FAULTS[name]

    return add


@_fault("redis-killed")
async def _redis_killed(system: System, _random: Random) -> AsyncGenerator[None]:
    with system.redis_away():
        yield


@_fault("redis-frozen")
async def _redis_frozen(system: System, _random: Random) -> AsyncGenerator[None]:
    with _stopped(system.redis.program.pid):
        yield


@_fault("redis-emptied")
async def _redis_emptied(system: System, _random: Random) -> AsyncGenerator[None]:
    await _command(system, "FLUSHALL")
    yield


@_fault("redis-slow")
async def _redis_slow(system: System, random: Random) -> AsyncGenerator[None]:
    ways = [replica.redis for replica in system.replicas]
    for way in ways:
        way.delay_s = random.choice([0.02, 0.1, 0.3])
    yield
    for way in ways:
        way.delay_s = 0


@_fault("redis-half-open")
async def _redis_half_open(system: System, random: Random) -> AsyncGenerator[None]:
    random.choice(system.replicas).redis.half_open()
    yield


@_fault("redis-full")
async def _redis_full(system: System, _random: Random) -> AsyncGenerator[None]:
    await _command(system, "CONFIG", "SET", "maxmemory", "1")
    yield
    await _command(system, "CONFIG", "SET", "maxmemory", "0")


@_fault("eviction")
async def _eviction(system: System, _random: Random) -> AsyncGenerator[None]:
    """As large as it is now, with a policy that evicts."""
    memory = await _command(system, "INFO", "memory")
    await _command(system, "CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    await _command(system, "CONFIG", "SET", "maxmemory", str(memory["used_memory"]))
    yield
    await _command(system, "CONFIG", "SET", "maxmemory", "0")
    await _command(system, "CONFIG", "SET", "maxmemory-policy", "noeviction")


@_fault("redis-read-only")
async def _redis_read_only(system: System, _random: Random) -> AsyncGenerator[None]:
    await _command(system, "REPLICAOF", *_NOWHERE)
    yield
    await _command(system, "REPLICAOF", "NO", "ONE")


@_fault("unknown-value")
async def _unknown_value(system: System, random: Random) -> AsyncGenerator[None]:
    for key in await _some_flights(system, random):
        await _command(system, "SET", key, "neither lease nor result", "EX", _FOREIGN_S)
    yield


@_fault("wrong-type")
async def _wrong_type(system: System, random: Random) -> AsyncGenerator[None]:
    for key in await _some_flights(system, random):
        await _command(system, "EVAL", _LIST, "1", key, _FOREIGN_S)
    yield


@_fault("notification-lost")
async def _notification_lost(system: System, _random: Random) -> AsyncGenerator[None]:
    await _command(system, "CLIENT", "KILL", "TYPE", "pubsub")
    yield


@_fault("s3-away")
async def _s3_away(system: System, _random: Random) -> AsyncGenerator[None]:
    with _interfering(system.ways_to_s3, Refused):
        yield


@_fault("s3-slow")
async def _s3_slow(system: System, random: Random) -> AsyncGenerator[None]:
    with _interfering(system.ways_to_s3, lambda: None, pause=lambda: random.uniform(0.05, 0.5)):
        yield


@_fault("s3-errors")
async def _s3_errors(system: System, random: Random) -> AsyncGenerator[None]:
    errors = [_s3_error(500, "InternalError"), _s3_error(503, "SlowDown")]
    with _interfering(system.ways_to_s3, lambda: random.choice([None, *errors])):
        yield


@_fault("s3-denied")
async def _s3_denied(system: System, _random: Random) -> AsyncGenerator[None]:
    with _interfering([system.function_s3], lambda: _s3_error(403, "InvalidAccessKeyId")):
        yield


@_fault("s3-cut")
async def _s3_cut(system: System, random: Random) -> AsyncGenerator[None]:
    with _interfering(system.ways_to_s3, lambda: random.choice([None, Cut()])):
        yield


@_fault("lambda-throttles")
async def _lambda_throttles(system: System, random: Random) -> AsyncGenerator[None]:
    throttled = _lambda_error(429, "TooManyRequestsException", ("Retry-After", "1"))
    with _interfering(system.ways_to_lambda, lambda: random.choice([None, throttled, throttled])):
        yield


@_fault("lambda-waking")
async def _lambda_waking(system: System, random: Random) -> AsyncGenerator[None]:
    waking = [
        _lambda_error(409, "ResourceConflictException"),
        _lambda_error(409, "SnapStartNotReadyException"),
        _lambda_error(502, "ResourceNotReadyException"),
        _lambda_error(502, "ENILimitReachedException"),
    ]
    with _interfering(system.ways_to_lambda, lambda: random.choice([None, *waking])):
        yield


@_fault("lambda-fails")
async def _lambda_fails(system: System, random: Random) -> AsyncGenerator[None]:
    failed = _lambda_error(500, "ServiceException")
    with _interfering(system.ways_to_lambda, lambda: random.choice([None, failed])):
        yield


@_fault("lambda-away")
async def _lambda_away(system: System, _random: Random) -> AsyncGenerator[None]:
    with _interfering(system.ways_to_lambda, Refused):
        yield


@_fault("sandbox-killed")
async def _sandbox_killed(system: System, _random: Random) -> AsyncGenerator[None]:
    for _ in range(_TRIES):
        stats = await asyncio.to_thread(system.function.stats)
        if stats["in_flight"]:
            break
    for pid in stats["sandboxes"]:
        _kill(pid, signal.SIGKILL)
    yield


@_fault("replica-killed")
async def _replica_killed(system: System, random: Random) -> AsyncGenerator[None]:
    random.choice(system.replicas).program.signal(signal.SIGKILL)
    yield
    await system.all_answer()


@_fault("replica-restarted")
async def _replica_restarted(system: System, random: Random) -> AsyncGenerator[None]:
    replica = random.choice(system.replicas)
    starts = replica.starts
    replica.program.signal(signal.SIGTERM)
    yield
    async with asyncio.timeout(60):
        while replica.starts == starts:  # noqa: ASYNC110 -- the end of another process has no event
            await asyncio.sleep(0.1)
    await system.all_answer()


@_fault("replica-frozen")
async def _replica_frozen(system: System, random: Random) -> AsyncGenerator[None]:
    with _stopped(random.choice(system.replicas).program.pid):
        yield


@_fault("replica-unable")
async def _replica_unable(system: System, random: Random) -> AsyncGenerator[None]:
    """As S3 and Lambda answer where a replica's clock is wrong."""
    replica = random.choice(system.replicas)
    denied, refused = _s3_error(403, "RequestTimeTooSkewed"), _lambda_error(403, "InvalidSignatureException")
    with _interfering([replica.s3], lambda: denied), _interfering([replica.function], lambda: refused):
        yield


@_fault("nginx-reloaded")
async def _nginx_reloaded(system: System, _random: Random) -> AsyncGenerator[None]:
    os.kill(system.nginx.program.pid, signal.SIGHUP)
    yield


@contextmanager
def _interfering(
    ways: Iterable[HttpProxy], trouble: Callable[[], Trouble | None], pause: Callable[[], float] = lambda: 0
) -> Iterator[None]:
    async def interfere(_request: web.Request) -> Trouble | None:
        await asyncio.sleep(pause())
        return trouble()

    for way in ways:
        way.interfere = interfere
    try:
        yield
    finally:
        for way in ways:
            way.recover()


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    _kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        _kill(pid, signal.SIGCONT)


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


async def _command(system: System, *words: str | bytes) -> Any:
    async with RedisClient.from_url(system.redis.url) as client:
        return await client.execute_command(*words)  # type: ignore[no-untyped-call]


async def _some_flights(system: System, random: Random) -> list[bytes]:
    _, keys = await _command(system, "SCAN", "0", "MATCH", "prew:flight:*", "COUNT", "1000")
    return random.sample(keys, min(len(keys), _FOREIGN_KEYS))


def _s3_error(status: int, code: str) -> Canned:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>"
    return Canned(status, body.encode(), "application/xml")


def _lambda_error(status: int, kind: str, *headers: tuple[str, str]) -> Canned:
    return Canned(status, b'{"message": "injected"}', "application/json", (("x-amzn-ErrorType", kind), *headers))
