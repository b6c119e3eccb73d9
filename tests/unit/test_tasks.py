"""Background tasks end with their block, also those that take a cancellation for something else."""

from __future__ import annotations

import asyncio

import pytest

from prewmanager.tasks import background


async def test_it_runs_beside_the_block_and_ends_with_it() -> None:
    """Work under way is cancelled at the end of the block."""
    events: list[str] = []

    async def work() -> None:
        events.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            events.append("ended")

    async with background(work(), "work"):
        await asyncio.sleep(0)
        assert events == ["begun"]

    assert events == ["begun", "ended"]


async def test_a_swallowed_cancellation_is_said_again() -> None:
    """A task that goes on after the first cancellation gets a second one."""
    swallowed = 0

    async def work() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1

    async with background(work(), "work"):
        await asyncio.sleep(0)

    assert swallowed == 2


async def test_an_error_of_the_block_passes_through() -> None:
    """The work ends, and the block's error is the caller's."""
    with pytest.raises(ZeroDivisionError):
        async with background(asyncio.Event().wait(), "work"):  # type: ignore[arg-type]
            raise ZeroDivisionError
