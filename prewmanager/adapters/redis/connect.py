"""From an address to a client of Redis: one server, a cluster, or a set watched by sentinels.

redis://[user:password@]host:port/db             one server; rediss:// with TLS, unix:///path for a socket
redis+cluster://[user:password@]host:port,…      any nodes of a cluster; rediss+cluster:// with TLS
redis+sentinel://[user:password@]host:port,…/name[/db]     sentinels, and the name that they know the set by
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import ExponentialWithJitterBackoff

from prewmanager.adapters.redis.client import SlotCluster, SlotPool, TimedRedis

_DEFAULT_PORTS = {"cluster": 6379, "sentinel": 26379}
_MAX_CONNECTIONS = 64


class _SentinelPool(SentinelConnectionPool, SlotPool):
    """The master's connections, for which commands wait their turn; redis-py's own pool fails the 65th at once."""


@contextlib.asynccontextmanager
async def connect(url: str, *, timeout_s: float = 1.0) -> AsyncIterator[Redis | RedisCluster]:
    """A client for the address, closed with the block; nothing is sent before its first use.

    A request must not wait long for a Redis that is away: each command has `timeout_s` seconds and one quick retry.
    Raises `ValueError` for an address that names no host, or no set where sentinels are asked.
    """
    retry = Retry(ExponentialWithJitterBackoff(base=0.01, cap=0.05), retries=1)
    times: dict[str, Any] = {"socket_connect_timeout": timeout_s, "retry": retry}
    slots = {"max_connections": _MAX_CONNECTIONS, "timeout": timeout_s}
    async with contextlib.AsyncExitStack() as stack:
        match urlsplit(url).scheme.partition("+")[2]:
            case "cluster":
                client: Redis | RedisCluster = _cluster(url, timeout_s, times)
            case "sentinel":
                sentinel = Sentinel(_hosts(url, "sentinel"), sentinel_kwargs=times | {"socket_timeout": timeout_s})  # type: ignore[no-untyped-call]  # redis-py's
                for each in sentinel.sentinels:
                    stack.push_async_callback(each.aclose)
                client = _master(sentinel, url, times | slots)
            case _:
                client = TimedRedis.from_pool(SlotPool.from_url(url, **times, **slots))
        stack.push_async_callback(client.aclose)
        yield client


def _cluster(url: str, timeout_s: float, times: dict[str, Any]) -> RedisCluster:
    nodes = [ClusterNode(host, port) for host, port in _hosts(url, "cluster")]
    return SlotCluster(
        startup_nodes=nodes,
        ssl=url.startswith("rediss"),
        max_commands=_MAX_CONNECTIONS,
        max_wait_s=timeout_s,
        socket_timeout=timeout_s,
        **_login(url),
        **times,
    )


def _master(sentinel: Sentinel, url: str, options: dict[str, Any]) -> Redis:
    name, _, database = urlsplit(url).path.strip("/").partition("/")
    if not name:
        raise ValueError("a sentinel address ends with the name of the set, such as /mymaster")
    master: Redis = sentinel.master_for(
        name,
        redis_class=TimedRedis,
        connection_pool_class=_SentinelPool,
        db=int(database or 0),
        **_login(url),
        **options,
    )
    return master


def _hosts(url: str, kind: str) -> list[tuple[str, int]]:
    """Hosts and ports of an address that may have several, comma-separated."""
    hosts = []
    for item in urlsplit(url).netloc.rpartition("@")[2].split(","):
        parts = urlsplit(f"//{item}")
        if not parts.hostname:
            raise ValueError("an address of Redis has a host that is empty")
        hosts.append((parts.hostname, parts.port or _DEFAULT_PORTS[kind]))
    return hosts


def _login(url: str) -> dict[str, Any]:
    user, _, password = urlsplit(url).netloc.rpartition("@")[0].partition(":")
    login = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in login.items() if value}
