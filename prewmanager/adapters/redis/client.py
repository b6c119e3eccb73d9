"""Redis clients with a bounded number of commands at once and one time-out for each try, by redis-py's public API.

redis-py's `BlockingConnectionPool` gives a free connection to whoever asks at that moment, ahead of those who wait; its
time-out is the same exception as a lost connection, and it has no form for sentinels. Its socket time-out starts a task
for each write before Python 3.12, which is why connections have none here. docs/decisions/0012 has the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha1
from typing import Any

from redis.asyncio import ConnectionPool, Redis, RedisCluster
from redis.asyncio.connection import AbstractConnection, RedisSSLContext, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from prewmanager.adapters.redis.circuit_breaker import CircuitBreaker
from prewmanager.errors import FlightStoreUnavailable

PROBE_KEY = "prew:probe"
_TRIES = 2
_LATE_S = 0.2
_LATE_TRIES = 5
OnChange = Callable[[bool], None]


class SharedTlsPool(ConnectionPool):
    """redis-py's pool; its TLS connections share one context, whose creation blocks the event loop for 20 ms."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._shared_tls: RedisSSLContext | None = None

    def make_connection(self) -> AbstractConnection:
        """Create a connection, which is not connected yet."""
        connection: AbstractConnection = super().make_connection()  # type: ignore[no-untyped-call]  # redis-py's
        if isinstance(connection, SSLConnection):
            connection.ssl_context = self._shared_tls = self._shared_tls or connection.ssl_context
        return connection


class GuardedRedis(Redis):
    """redis-py's client of one server, behind a circuit breaker.

    Each command waits for a slot, as long as its caller does, then has two tries of `timeout_s` each. A try connects,
    sends and receives; where the connection breaks during it, redis-py connects and sends once more. A try that times
    out closes its connection, so that a late response reaches no other command. Subscriptions have connections of their
    own, and take no slot.
    """

    def __init__(self, pool: ConnectionPool, at_once: int, timeout_s: float, on_change: OnChange) -> None:
        """`pool` belongs to the caller; its connections retry once, and have no socket time-out.

        `on_change` gets whether the server answers.
        """
        super().__init__(connection_pool=pool)
        self._slots = asyncio.Semaphore(at_once)
        self._timeout_s = timeout_s
        self._breaker = CircuitBreaker(self._probe, lambda: on_change(self._breaker.state == "answers"))

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and return its response. Raises redis-py's errors."""
        async with self._slots:
            with self._breaker.guarding():
                try:
                    return await self._try(*args, **options)
                except ReadOnlyError:
                    if self._breaker.state == "refuses":
                        raise
                    await self._drop_connections()
                    return await self._try(*args, **options)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 -- redis-py's
        """End the probe, then close the client."""
        await self._breaker.aclose()
        await super().aclose(close_connection_pool)

    async def _try(self, *args: Any, **options: Any) -> Any:
        loop, tries = asyncio.get_running_loop(), 0
        for _ in range(_LATE_TRIES):
            ends = loop.time() + self._timeout_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(ends):
                    return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's
            # A try that ends late says that this process was busy: the response may have been there.
            tries += loop.time() < ends + _LATE_S
            if tries == _TRIES:
                break
        raise RedisTimeoutError(f"no answer within {self._timeout_s:g} s, {_TRIES} times")

    async def _drop_connections(self) -> None:
        """Have new connections: the address may lead to another server by now, as after a failover."""
        await self.connection_pool.disconnect(inuse_connections=False)

    async def _probe(self) -> None:
        await self._drop_connections()
        await self._try("SET", PROBE_KEY, b"", "PX", 1000)


class GuardedCluster(RedisCluster):
    """redis-py's client of a cluster, with a circuit breaker for each node; commands wait for a slot.

    By itself it fails at the command for which a node's connections, a hundred, are not enough.
    """

    def __init__(self, at_once: int, timeout_s: float, on_change: OnChange, **options: Any) -> None:
        """`timeout_s`: how long a node may take for one step of a try; `on_change` gets whether all nodes answer."""
        super().__init__(socket_connect_timeout=timeout_s, socket_timeout=timeout_s, **options)
        self._slots = asyncio.Semaphore(at_once)
        self._timeout_s = timeout_s
        self._report = on_change
        self._breakers: dict[str, CircuitBreaker] = {}

    async def initialize(self, *args: Any, **options: Any) -> RedisCluster:
        """Find the nodes, unless they are known. Raises redis-py's `ConnectionError` where none answers in time.

        All commands wait for the same search, which asks one node after the other; redis-py lets each of them search
        again where it fails, one after the other as well, and its error is no `RedisError`.
        """
        tries = _TRIES * (len(self.nodes_manager.startup_nodes) + 1)
        try:
            async with asyncio.timeout(self._timeout_s * tries):
                return await super().initialize(*args, **options)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
        except TimeoutError as error:
            raise RedisConnectionError("no node of the cluster answered in time") from error

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command to its node and return its response. Raises redis-py's errors."""
        async with self._slots:
            with self._breaker("", "").guarding():
                # Before it knows the nodes, it asks any of them, and disconnects from all at the fifth redirection.
                await self.initialize()
            key = _key(args)
            with self._breaker(self._node(key), key).guarding() if key else contextlib.nullcontext():
                return await self._send(*args, **options)

    async def aclose(self) -> None:
        """End the probes, then close the client."""
        for breaker in self._breakers.values():
            await breaker.aclose()
        await super().aclose()

    async def _send(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().execute_command(*args, **options)
        except RedisClusterException as error:  # such as a slot that no node serves
            raise RedisConnectionError(str(error)) from error

    def _node(self, key: str) -> str:
        try:
            return str(self.get_node_from_key(key).name)  # type: ignore[union-attr]  # None: for replicas only
        except RedisClusterException:
            return "of no slot"

    def _breaker(self, node: str, key: str) -> CircuitBreaker:
        if node not in self._breakers:
            self._breakers[node] = CircuitBreaker(partial(self._probe, key), self._changed, node)
        return self._breakers[node]

    async def _probe(self, key: str) -> None:
        """Write to the node that has a key's slot, which after a failover is another one; without a key, find nodes."""
        await self.initialize()
        if key:
            await self._send("SET", f"{PROBE_KEY}{{{_tag(key)}}}", b"", "PX", 1000)

    def _changed(self) -> None:
        self._report(all(each.state == "answers" for each in self._breakers.values()))


def _key(args: tuple[Any, ...]) -> str:
    """Return the key of a command that this package sends, or nothing for one without a key."""
    keyed = {"EVALSHA": 3, "EVAL": 3, "SPUBLISH": 1, "SET": 1, "GET": 1, "DEL": 1}
    position = keyed.get(args[0])
    if position is None:
        return ""
    key = args[position]
    return key.decode() if isinstance(key, bytes) else str(key)


def _tag(key: str) -> str:
    """Return what decides a key's slot: the text in its first braces if there is some, else all of it."""
    _, _, after = key.partition("{")
    tag, brace, _ = after.partition("}")
    return tag if brace and tag else key


class Script:
    """A Lua script, sent by its hash, and whole to a server that does not know it.

    redis-py's own loads it at all nodes of a cluster, which fails where one is down.
    """

    def __init__(self, redis: Redis | RedisCluster, text: str) -> None:
        self._redis = redis
        self._text = text
        self._hash = sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, key: str | bytes, *args: str | bytes | int, failed: str) -> object:
        """Run it for one key. Raises `FlightStoreUnavailable`, beginning with `failed`, where it did not run."""
        return await translated(self._run(key, args), failed)

    async def _run(self, key: str | bytes, args: tuple[str | bytes | int, ...]) -> object:
        try:
            return await self._redis.execute_command("EVALSHA", self._hash, 1, key, *args)
        except NoScriptError:
            return await self._redis.execute_command("EVAL", self._text, 1, key, *args)


async def translated(command: Awaitable[object], failed: str) -> object:
    """Await a command's answer. Raises `FlightStoreUnavailable`, beginning with `failed`, where there is none."""
    try:
        return await command
    except (RedisError, OSError, TimeoutError) as error:
        raise FlightStoreUnavailable(f"{failed}: {error}") from error
