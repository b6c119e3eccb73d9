"""Background tasks that end when they are cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

_RETRY_S = 0.1


@contextlib.asynccontextmanager
async def background(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `work` while the block runs, and cancel it when the block ends."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        await end(task)


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and return when all have ended, also where this is cancelled itself meanwhile.

    It cancels repeatedly: a client library that cancels its own time-outs may mistake a cancellation for one of those
    and continue (redis-py does, while it connects and sends).
    """
    cancelled = None
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        try:
            await asyncio.wait(running, timeout=_RETRY_S)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def resume_waiter(waiters: int) -> None:
    """Let the event loop resume a single waiter before the caller goes on; do nothing for none or several.

    A single client gets its answer before the flight store gets the result: 0.17 ms sooner, 7 % of a miss
    (`benchmarks/miss_cost.py`, docs/decisions/0012). Hundreds of answers would keep the other replicas waiting.
    """
    if waiters == 1:
        await asyncio.sleep(0)
