"""Opens a client for an address: of one server, a cluster, or a set watched by sentinels.

redis://[user:password@]host:port/db             one server; rediss:// with TLS, unix:///path for a socket
redis+cluster://[user:password@]host:port,…      any nodes of a cluster; rediss+cluster:// with TLS
redis+sentinel://[user:password@]host:port,…/name[/db]     sentinels, and the name that they know the set by
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import ConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import ExponentialWithJitterBackoff
from redis.maint_notifications import MaintNotificationsConfig

from prewmanager.adapters.redis.client import SharedTlsPool, Slots, SlottedCluster, SlottedRedis

_DEFAULT_PORTS = {"cluster": 6379, "sentinel": 26379}
_MAX_COMMANDS = 64
_SUBSCRIPTIONS = 4  # further connections: notifications and the contact sheet, and as many that are being closed


@contextlib.asynccontextmanager
async def connect(url: str, *, timeout_s: float = 1.0) -> AsyncIterator[Redis | RedisCluster]:
    """Open a client for the address, closed with the block; nothing is sent before its first use.

    A request must not wait long for a Redis that is away: each try of a command has `timeout_s` seconds, and there are
    two. Raises `ValueError` for an address without a host, or without a set's name where sentinels are asked.
    """
    slots = Slots(_MAX_COMMANDS, timeout_s)
    async with contextlib.AsyncExitStack() as stack:
        client: Redis | RedisCluster
        if urlsplit(url).scheme.endswith("+cluster"):
            client = _cluster(url, slots, timeout_s)
            stack.push_async_callback(client.aclose)
        else:
            pool = await stack.enter_async_context(_pool(url, timeout_s))
            client = SlottedRedis(pool, slots, timeout_s)
        yield client


@contextlib.asynccontextmanager
async def _pool(url: str, timeout_s: float) -> AsyncIterator[ConnectionPool]:
    options = _timeouts(timeout_s) | {
        # The client's own time-out is enough.
        "socket_timeout": None,
        "max_connections": _MAX_COMMANDS + _SUBSCRIPTIONS,
        # A server that announces its move closes the connection in the end, and the command is sent again.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    async with contextlib.AsyncExitStack() as stack:
        pool: ConnectionPool
        if urlsplit(url).scheme.endswith("+sentinel"):
            sentinel = Sentinel(_hosts(url, "sentinel"), sentinel_kwargs=_timeouts(timeout_s))  # type: ignore[no-untyped-call]  # redis-py's
            for each in sentinel.sentinels:
                stack.push_async_callback(each.aclose)
            pool = _master_pool(sentinel, url, options)
        else:
            pool = SharedTlsPool.from_url(url, **options)
        stack.push_async_callback(pool.aclose)
        yield pool


def _timeouts(timeout_s: float) -> dict[str, Any]:
    return {"socket_connect_timeout": timeout_s, "socket_timeout": timeout_s, "retry": _retry()}


def _retry() -> Retry:
    return Retry(ExponentialWithJitterBackoff(base=0.01, cap=0.05), retries=1)


def _cluster(url: str, slots: Slots, timeout_s: float) -> RedisCluster:
    nodes = [ClusterNode(host, port) for host, port in _hosts(url, "cluster")]
    options = _login(url) | {"retry": _retry()}
    return SlottedCluster(slots, timeout_s, startup_nodes=nodes, ssl=url.startswith("rediss"), **options)


def _master_pool(sentinel: Sentinel, url: str, options: dict[str, Any]) -> SentinelConnectionPool:
    name, _, database = urlsplit(url).path.strip("/").partition("/")
    if not name:
        raise ValueError("a sentinel address ends with the name of the set, such as /mymaster")
    return SentinelConnectionPool(name, sentinel, db=int(database or 0), **_login(url), **options)  # type: ignore[no-untyped-call]  # redis-py's


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
