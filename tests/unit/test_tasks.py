"""Background tasks end with their block, even those that swallow a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from prewmanager.tasks import background, end
from tests.support.fakes import until


async def test_a_task_runs_beside_the_block_and_ends_with_it() -> None:
    events: list[str] = []

    async def work() -> None:
        events.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            events.append("ended")

    async with background(work(), "work"):
        await until(lambda: events == ["begun"])

    assert events == ["begun", "ended"]


async def test_a_task_that_swallows_its_cancellation_is_cancelled_again() -> None:
    swallowed, begun = 0, asyncio.Event()

    async def work() -> None:
        nonlocal swallowed
        begun.set()
        while swallowed < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1

    async with background(work(), "work"):
        await begun.wait()

    assert swallowed == 2


async def test_a_task_ends_also_where_its_end_is_cancelled_meanwhile() -> None:
    swallowed, begun = 0, asyncio.Event()

    async def stubborn() -> None:
        nonlocal swallowed
        begun.set()
        while swallowed < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1

    inner = asyncio.create_task(stubborn())
    outer = asyncio.create_task(end(inner))
    await begun.wait()
    await until(lambda: swallowed == 1)
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer

    assert inner.done()


async def test_an_error_of_the_block_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        async with background(asyncio.Event().wait(), "work"):  # type: ignore[arg-type]
            raise ZeroDivisionError
