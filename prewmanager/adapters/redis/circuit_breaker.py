"""The circuit breaker in front of Redis: after a failure only its own probe asks Redis, until Redis answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from prewmanager.errors import FlightStoreUnavailable
from prewmanager.tasks import end

_log = structlog.get_logger(__name__)


class CircuitBreaker:
    """Closed while Redis is used; run `watched` around its use."""

    def __init__(
        self, ping: Callable[[], Awaitable[None]], *, probe_every_s: float, on_change: Callable[[bool], None]
    ) -> None:
        """`ping` raises `FlightStoreUnavailable` while Redis is away; `on_change` gets whether it is closed."""
        self._ping = ping
        self._probe_every_s = probe_every_s
        self._on_change = on_change
        self._probing: asyncio.Task[None] | None = None

    @property
    def closed(self) -> bool:
        """Whether Redis is to be asked."""
        return self._probing is None

    def failed(self, error: FlightStoreUnavailable) -> None:
        """Open the circuit until Redis answers a probe."""
        if self._probing is None:
            _log.error("redis.away", error=str(error), coalescing="inside this process only")
            self._on_change(False)
            self._probing = asyncio.create_task(self._probe(), name="redis probe")

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """End the probe, if any, with the block."""
        try:
            yield
        finally:
            if self._probing is not None:
                await end(self._probing)

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(self._probe_every_s)
            try:
                await self._ping()
            except FlightStoreUnavailable:
                continue
            _log.info("redis.back", coalescing="over all replicas")
            self._on_change(True)
            self._probing = None
            return
