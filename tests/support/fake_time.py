"""An event loop whose time jumps to the next timer when no task can run: deadlines without waiting."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


class _JumpingSelector(selectors.DefaultSelector):
    """Advances time instead of waiting, and knows no sockets but the loop's own."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        assert not self.get_map(), "what opens sockets is no unit test"
        return super().register(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "all tasks wait, and nothing will ever happen"
        self.now += max(timeout, 0)
        return super().select(0)


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """Runs tasks and timers of this process, in their order."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the seconds that have passed, from an arbitrary start."""
        return self._jumping.now


async def pass_time(seconds: float) -> None:
    """Return this much later by the loop's time, once everything due before has run."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_later(seconds, passed.set_result, None)
    await passed
