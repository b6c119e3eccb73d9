"""Redis away: the process goes on alone, with its own board and quota, and joins the others when Redis is back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from prewmanager.adapters.redis_link import RedisLink
from prewmanager.errors import BoardUnavailable
from prewmanager.ports import Busy, FlightBoard, Lease, Quota, Settled

_Port = TypeVar("_Port")
_Told = TypeVar("_Told")


async def _told(link: RedisLink, shared: _Port, alone: _Port, ask: Callable[[_Port], Awaitable[_Told]]) -> _Told:
    """What the shared one says while the link is up; else, or where that breaks it just now, what the other says."""
    if link.up:
        try:
            return await ask(shared)
        except BoardUnavailable as error:
            link.failed(error)
    return await ask(alone)


class FallbackBoard:
    """A `FlightBoard` that uses `shared` while the link is up and `alone` while it is not."""

    def __init__(self, shared: FlightBoard, alone: FlightBoard, link: RedisLink) -> None:
        self._shared = shared
        self._alone = alone
        self._link = link

    async def claim(self, key: str) -> Lease | Settled | Busy:
        """Take the flight, or say what is known of it, on the board in use."""
        return await _told(self._link, self._shared, self._alone, lambda board: board.claim(key))

    async def take(self, key: str) -> Lease | None:
        """Take the flight where it is free, on the board in use."""
        return await _told(self._link, self._shared, self._alone, lambda board: board.take(key))

    async def forget(self, key: str, settled: Settled) -> None:
        """Forget an outcome on the board in use."""
        board = self._shared if self._link.up else self._alone
        await board.forget(key, settled)

    async def watch(self, key: str, timeout_s: float) -> None:
        """Return when the flight may have changed, at the latest after `timeout_s`."""
        board = self._shared if self._link.up else self._alone
        await board.watch(key, timeout_s)


class FallbackQuota:
    """A `Quota` that is shared while the link is up; alone, each process has the whole of it."""

    def __init__(self, shared: Quota, alone: Quota, link: RedisLink) -> None:
        self._shared = shared
        self._alone = alone
        self._link = link

    async def take(self) -> float:
        """Take one of the quota in use: 0, or the seconds until there is one."""
        return await _told(self._link, self._shared, self._alone, lambda quota: quota.take())
