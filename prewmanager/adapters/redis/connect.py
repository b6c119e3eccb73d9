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

from prewmanager.adapters.redis.client import GuardedCluster, GuardedRedis, OnChange, SharedTlsPool

_DEFAULT_PORTS = {"cluster": 6379, "sentinel": 26379}
_MAX_COMMANDS = 64
_MORE = 6  # connections: notifications and the contact sheet, as many that are being closed, and the probe


@contextlib.asynccontextmanager
async def connect(
    url: str, *, timeout_s: float = 1.0, on_change: OnChange = lambda _: None
) -> AsyncIterator[Redis | RedisCluster]:
    """Open a client for the address, closed with the block; nothing is sent before its first use.

    A request must not wait long for a Redis that is away: each try of a command has `timeout_s` seconds, and there are
    two. `on_change` gets whether Redis answers, or all nodes of a cluster, each time that this changes. Raises
    `ValueError` for an address without a host, or without a set's name where sentinels are asked.
    """
    async with contextlib.AsyncExitStack() as stack:
        client: Redis | RedisCluster
        if urlsplit(url).scheme.endswith("+cluster"):
            client = _cluster(url, timeout_s, on_change)
        else:
            pool = await stack.enter_async_context(_pool(url, timeout_s))
            client = GuardedRedis(pool, _MAX_COMMANDS, timeout_s, on_change)
        stack.push_async_callback(client.aclose)
        yield client


@contextlib.asynccontextmanager
async def _pool(url: str, timeout_s: float) -> AsyncIterator[ConnectionPool]:
    options = _timeouts(timeout_s) | {
        # The client's own time-out is enough.
        "socket_timeout": None,
        "max_connections": _MAX_COMMANDS + _MORE,
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


def _cluster(url: str, timeout_s: float, on_change: OnChange) -> RedisCluster:
    nodes = [ClusterNode(host, port) for host, port in _hosts(url, "cluster")]
    options = _login(url) | {"retry": _retry()}
    is_tls = url.startswith("rediss")
    return GuardedCluster(_MAX_COMMANDS, timeout_s, on_change, startup_nodes=nodes, ssl=is_tls, **options)


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
