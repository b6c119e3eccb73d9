"""How many machines, and how much money, so many misses a second take: arithmetic on what one miss costs each part.

Every miss is lonely: one request, one photo, one replica. `benchmarks.capacity_inputs` has the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

_BITS_OF_KB, _GIGA, _HOUR_S, _MILLION = 8000, 1e9, 3600, 1_000_000
_FEWEST = 2  # of replicas and nginx: one may be restarted


@dataclass(frozen=True)
class InRedis:
    """What a miss costs Redis, and what Redis makes it cost each replica.

    Attributes:
        cpu_s: Redis's CPU for the commands of a miss.
        received_kb: What Redis receives for it.
        held_kb_s: What Redis holds of it, in KB, times the seconds for which.
        message_cpu_s: Redis's CPU for each replica that gets a message about it.
        heard_cpu_s: A replica's CPU for that message.
    """

    cpu_s: float
    received_kb: float
    held_kb_s: float
    message_cpu_s: float = 0.0
    heard_cpu_s: float = 0.0


@dataclass(frozen=True)
class Miss:
    """What a miss costs the other parts: CPU in seconds, bytes in KB, of one replica its resident GB."""

    service_cpu_s: float
    service_received_kb: float
    service_sent_kb: float
    service_gb: float
    waiting_kb: float
    wall_s: float
    nginx_cpu_s: float
    function_s: float
    preview_reads: float
    photo_reads: float
    writes: float


@dataclass(frozen=True)
class Machines:
    """How much of one process may be used at the peak: of its core, of its network each way, of its memory as Redis.

    `invocations` at once, and `reads` and `writes` a second below one prefix, are AWS's; all can be raised.
    """

    core: float
    network_gbit_s: float
    redis_gb: float
    process_gb: float
    invocations: float
    reads: float
    writes: float


@dataclass(frozen=True)
class Prices:
    """US dollars: of Lambda's GB-second and request, of S3's requests, and of an hour of a core and of a GB."""

    function_gb: float
    gb_second: float
    invocation: float
    read: float
    write: float
    core_hour: float
    gb_hour: float


@dataclass(frozen=True)
class Fleet:
    """What a rate takes; None: no number of machines is enough. Network is that of all of a kind, the busier way."""

    replicas: int | None
    nginx: int
    redis: int | None
    replicas_gb: float | None
    redis_gb: float
    service_gbit_s: float
    nginx_gbit_s: float
    redis_gbit_s: float
    invocations: int
    usd_per_million: float | None


@dataclass(frozen=True)
class Limit:
    """A rate that more machines of the same kind do not raise."""

    what: str
    misses_per_s: float
    raised_by: str


def replicas(rate: float, miss: Miss, in_redis: InRedis, machines: Machines) -> int | None:
    """Return the replicas, one process and core each; None where messages of others' misses take all of each."""
    free = machines.core - rate * in_redis.heard_cpu_s
    if free <= 0:
        return None
    network = _gbit_s(rate, max(miss.service_received_kb, miss.service_sent_kb)) / machines.network_gbit_s
    return max(_FEWEST, math.ceil(rate * miss.service_cpu_s / free), math.ceil(network))


def redis_nodes(rate: float, miss: Miss, in_redis: InRedis, machines: Machines) -> int | None:
    """Return the nodes of Redis; None where the one that has the messages' channel cannot send them all."""
    heard_by = replicas(rate, miss, in_redis, machines)
    if heard_by is None:
        return None
    messages_s = rate * in_redis.message_cpu_s * heard_by
    if messages_s > machines.core:
        return None
    return max(
        math.ceil((rate * in_redis.cpu_s + messages_s) / machines.core),
        math.ceil(_held_gb(rate, in_redis) / machines.redis_gb),
        math.ceil(_gbit_s(rate, in_redis.received_kb) / machines.network_gbit_s),
    )


def fleet(rate: float, miss: Miss, in_redis: InRedis, machines: Machines, prices: Prices) -> Fleet:
    """Return what `rate` misses a second take."""
    network = _gbit_s(rate, miss.service_sent_kb) / machines.network_gbit_s
    nginx = max(_FEWEST, math.ceil(rate * miss.nginx_cpu_s / machines.core), math.ceil(network))
    services, nodes = (count(rate, miss, in_redis, machines) for count in (replicas, redis_nodes))
    gb, cost = None, None
    if services is not None:
        gb = services * miss.service_gb + rate * miss.wall_s * miss.waiting_kb * 1e3 / _GIGA
    if services is not None and nodes is not None:
        # Each process has a core; Redis twice what it holds, for copies while it writes them to disk.
        memory_gb = (services + nginx + nodes) * machines.process_gb + 2 * _held_gb(rate, in_redis)
        hourly = (services + nginx + nodes) * prices.core_hour + memory_gb * prices.gb_hour
        cost = per_million(miss, prices) + hourly / _HOUR_S / rate * _MILLION
    return Fleet(
        services,
        nginx,
        nodes,
        gb,
        _held_gb(rate, in_redis),
        _gbit_s(rate, max(miss.service_received_kb, miss.service_sent_kb)),
        _gbit_s(rate, miss.service_sent_kb),
        _gbit_s(rate, in_redis.received_kb),
        math.ceil(rate * miss.function_s),
        cost,
    )


def per_million(miss: Miss, prices: Prices) -> float:
    """Return the dollars that Lambda and S3 take for a million previews, at any rate."""
    lambdas = miss.function_s * prices.function_gb * prices.gb_second + prices.invocation
    s3 = (miss.preview_reads + miss.photo_reads) * prices.read + miss.writes * prices.write
    return _MILLION * (lambdas + s3)


def limits(miss: Miss, in_redis: InRedis, machines: Machines) -> list[Limit]:
    """Return what comes to its end, the first one first."""
    return sorted(_limits(miss, in_redis, machines), key=lambda limit: limit.misses_per_s)


def _limits(miss: Miss, in_redis: InRedis, machines: Machines) -> Iterator[Limit]:
    reads = machines.reads / max(miss.preview_reads, miss.photo_reads)
    yield Limit("S3's requests below one prefix", min(reads, machines.writes / miss.writes), "S3 itself, as load grows")
    yield Limit("Lambda's concurrency", machines.invocations / miss.function_s, "a request to AWS")
    yield Limit("Redis, if it is one node", machines.core / in_redis.cpu_s, "a cluster")
    if in_redis.heard_cpu_s:
        yield Limit("messages that every replica gets", machines.core / in_redis.heard_cpu_s, "nothing")
    if in_redis.message_cpu_s:
        yield Limit("messages that one node sends", _most_sent(miss, in_redis, machines), "nothing")


def _most_sent(miss: Miss, in_redis: InRedis, machines: Machines) -> float:
    """Return the rate whose messages one node can send to as many replicas as that rate takes, by bisection."""
    low, high = 0.0, machines.core / in_redis.message_cpu_s
    for _ in range(100):
        middle = (low + high) / 2
        fits = redis_nodes(middle, miss, in_redis, machines) is not None
        low, high = (middle, high) if fits else (low, middle)
    return low


def _held_gb(rate: float, in_redis: InRedis) -> float:
    return rate * in_redis.held_kb_s * 1e3 / _GIGA


def _gbit_s(rate: float, kilobytes: float) -> float:
    return rate * kilobytes * _BITS_OF_KB / _GIGA
