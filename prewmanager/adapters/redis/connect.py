"""Opens a client for an address: of one server, a cluster, or a set watched by sentinels."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from redis import CredentialProvider
from redis.asyncio import ConnectionPool, Redis, RedisCluster, Sentinel, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import ExponentialWithJitterBackoff
from redis.maint_notifications import MaintNotificationsConfig

from prewmanager.adapters.redis.client import GuardedCluster, GuardedRedis, OnChange, SharedTlsPool
from prewmanager.redis_address import RedisAddress, parse

_MAX_COMMANDS = 64
_MAX_CONNECTIONS = 1000  # of commands, subscriptions and the probe: above what there can be, so that none is refused


@contextlib.asynccontextmanager
async def connect(
    url: str,
    *,
    timeout_s: float = 1.0,
    on_change: OnChange = lambda _: None,
    password_file: Path | None = None,
) -> AsyncIterator[Redis | RedisCluster]:
    """Open a client for an address of `redis_address`, closed with the block; nothing is sent before its first use.

    A request must not wait long for a Redis that is away: each try of a command has `timeout_s` seconds, and there are
    two. `on_change` gets whether Redis answers, or all nodes of a cluster, each time that this changes. `password_file`
    is read for each connection, and its text is used instead of the address's password. Raises `ValueError` for an
    invalid address.
    """
    address = parse(url)
    login = _login(address, password_file)
    async with contextlib.AsyncExitStack() as stack:
        client: Redis | RedisCluster
        if address.kind == "cluster":
            client = _cluster(address, login, timeout_s, on_change)
        else:
            pool = await stack.enter_async_context(_pool(address, login, timeout_s))
            client = GuardedRedis(pool, _MAX_COMMANDS, timeout_s, on_change)
        stack.push_async_callback(client.aclose)
        yield client


@contextlib.asynccontextmanager
async def _pool(address: RedisAddress, login: dict[str, Any], timeout_s: float) -> AsyncIterator[ConnectionPool]:
    options = {
        **_timeouts(timeout_s),
        **login,
        # The client's own time-out is enough.
        "socket_timeout": None,
        "max_connections": _MAX_CONNECTIONS,
        # A server that announces its move closes the connection in the end, and the command is sent again.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "db": address.database,
    }
    async with contextlib.AsyncExitStack() as stack:
        pool: ConnectionPool
        if address.kind == "sentinel":
            sentinel = Sentinel(list(address.hosts), sentinel_kwargs=_timeouts(timeout_s))  # type: ignore[no-untyped-call]  # redis-py's
            for each in sentinel.sentinels:
                stack.push_async_callback(each.aclose)
            pool = SentinelConnectionPool(address.set_name, sentinel, **options)  # type: ignore[no-untyped-call]  # redis-py's
        else:
            pool = SharedTlsPool(**options, **_place(address))
        stack.push_async_callback(pool.aclose)
        yield pool


def _place(address: RedisAddress) -> dict[str, Any]:
    """Where one server is, in redis-py's words."""
    if address.kind == "socket":
        return {"connection_class": UnixDomainSocketConnection, "path": address.path}
    ((host, port),) = address.hosts
    tls = {"connection_class": SSLConnection, **_tls(address)} if address.is_tls else {}
    return {"host": host, "port": port, **tls}


def _tls(address: RedisAddress) -> dict[str, Any]:
    checks = address.tls_options.get("ssl_check_hostname")
    flag = {} if checks is None else {"ssl_check_hostname": checks.lower() in {"1", "true", "yes", "on"}}
    return {**address.tls_options, **flag}


def _timeouts(timeout_s: float) -> dict[str, Any]:
    return {"socket_connect_timeout": timeout_s, "socket_timeout": timeout_s, "retry": _retry()}


def _retry() -> Retry:
    return Retry(ExponentialWithJitterBackoff(base=0.01, cap=0.05), retries=1)


def _cluster(address: RedisAddress, login: dict[str, Any], timeout_s: float, on_change: OnChange) -> RedisCluster:
    nodes = [ClusterNode(host, port) for host, port in address.hosts]
    options = {**login, "retry": _retry(), "ssl": address.is_tls, **_tls(address)}
    return GuardedCluster(_MAX_COMMANDS, timeout_s, on_change, startup_nodes=nodes, **options)


class _PasswordFile(CredentialProvider):
    """Reads the password for each connection, so that a rotated one is found without a restart."""

    def __init__(self, username: str, path: Path) -> None:
        self._username = username
        self._path = path

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return the user's name, where there is one, and the password. Raises `OSError`."""
        password = self._path.read_text(encoding="utf-8").strip()
        return (self._username, password) if self._username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Return the same: the file is a few bytes on this machine."""
        return self.get_credentials()


def _login(address: RedisAddress, password_file: Path | None) -> dict[str, Any]:
    if password_file is not None:
        return {"credential_provider": _PasswordFile(address.username, password_file)}
    login = {"username": address.username, "password": address.password}
    return {name: value for name, value in login.items() if value}
