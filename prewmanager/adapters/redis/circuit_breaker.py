"""The circuit breaker in front of one Redis server: what its failures mean for the commands that come next.

    answers   ── no answer, no connection ──▶ away      further commands fail at once
    answers   ── an error reply ────────────▶ refuses   further commands are sent: each reply concerns its own command
    both      ── a write succeeds ──────────▶ answers

Waiting inside this process for a slot says nothing about Redis, and changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from prewmanager.tasks import end

_PROBE_EVERY_S = {"away": 0.5, "refuses": 5.0}  # a server whose memory is full accepts now and then
_EVENTS = {"away": "redis.away", "refuses": "redis.refuses"}
_log = structlog.get_logger(__name__)


class CircuitBreaker:
    """Knows whether one server answers, refuses or is away; while it does not answer, a probe writes to it."""

    def __init__(self, probe: Callable[[], Awaitable[object]], on_change: Callable[[], None], node: str = "") -> None:
        """`probe` sends a write past this breaker, on a new connection; `node` names the server in the log."""
        self._probe = probe
        self._on_change = on_change
        self._node = {"node": node} if node else {}
        self._probing: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self.state = "answers"

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Guard one command: raise `ConnectionError` at once while the server is away, and learn from its failure."""
        if self.state == "away":
            raise RedisConnectionError(f"away: {self._error}")
        try:
            yield
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            self._failed("away", error)
            raise
        except ResponseError as error:
            if not _concerns_the_command(error):
                self._failed("refuses", error)
            raise

    async def aclose(self) -> None:
        """End the probe."""
        if self._probing is not None:
            await end(self._probing)

    def _failed(self, state: str, error: Exception) -> None:
        if self.state in {"away", state}:
            return
        _log.error(_EVENTS[state], **self._node, error=str(error))
        self.state, self._error = state, error
        self._on_change()
        self._probing = self._probing or asyncio.create_task(self._recover(), name="redis probe")

    async def _recover(self) -> None:
        while True:
            await asyncio.sleep(_PROBE_EVERY_S[self.state])
            try:
                await self._probe()
            except (RedisError, OSError):
                continue
            _log.info("redis.back", **self._node)
            self.state, self._error, self._probing = "answers", None, None
            self._on_change()
            return


def _concerns_the_command(error: ResponseError) -> bool:
    """Whether a reply says something of one key or script, and nothing of the server."""
    return isinstance(error, NoScriptError) or str(error).startswith("WRONGTYPE")
