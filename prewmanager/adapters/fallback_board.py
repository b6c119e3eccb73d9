"""Redis away: the process goes on alone, coalescing its own requests, and joins the others when Redis is back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import structlog

from prewmanager.errors import BoardUnavailable
from prewmanager.ports import Busy, FlightBoard, Lease, Probe, Settled

_log = structlog.get_logger(__name__)


class SharedBoard(FlightBoard, Probe, Protocol):
    """A board that other processes use as well, and that can be asked whether it is there."""


class FallbackBoard:
    """A `FlightBoard` that uses `shared` while it answers and `alone` while it does not.

    After the first failure no request asks `shared` again: a task of its own does, until it answers.
    """

    def __init__(
        self, shared: SharedBoard, alone: FlightBoard, *, probe_every_s: float, on_change: Callable[[bool], None]
    ) -> None:
        """`on_change` is told True when the shared board answers again and False when it has stopped to."""
        self._shared = shared
        self._alone = alone
        self._probe_every_s = probe_every_s
        self._on_change = on_change
        self._probing: asyncio.Task[None] | None = None

    @property
    def together(self) -> bool:
        """Whether flights are shared with other processes at the moment."""
        return self._probing is None

    async def claim(self, key: str) -> Lease | Settled | Busy:
        """Take the flight, or say what is known of it, on the board in use."""
        if self.together:
            try:
                return await self._shared.claim(key)
            except BoardUnavailable as error:
                self._part(error)
        return await self._alone.claim(key)

    async def watch(self, key: str, timeout_s: float) -> None:
        """Return when the flight may have changed, at the latest after `timeout_s`."""
        board: FlightBoard = self._shared if self.together else self._alone
        await board.watch(key, timeout_s)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ends the probing, if any, with the context."""
        try:
            yield
        finally:
            if self._probing is not None:
                self._probing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._probing

    def _part(self, error: BoardUnavailable) -> None:
        if self._probing is None:
            _log.error("board.alone", error=str(error))
            self._on_change(False)
            self._probing = asyncio.create_task(self._probe(), name="board probe")

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(self._probe_every_s)
            try:
                await self._shared.ping()
            except BoardUnavailable:
                continue
            _log.info("board.together")
            self._on_change(True)
            self._probing = None
            return
