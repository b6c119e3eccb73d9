"""Work on a stream, so much of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from prewmanager.commands.concurrency import for_each
from tests.support.fakes import until


async def _numbers(taken: list[int], count: int) -> AsyncIterator[int]:
    for number in range(count):
        taken.append(number)
        yield number


async def test_so_many_at_once_and_each_once() -> None:
    """The stream is read no further than there is work for."""
    gate, taken, running, done = asyncio.Event(), list[int](), set[int](), list[int]()

    async def work(number: int) -> None:
        running.add(number)
        await gate.wait()
        running.remove(number)
        done.append(number)

    task = asyncio.create_task(for_each(_numbers(taken, 10), work, at_once=3))
    await until(lambda: len(running) == 3)
    held = list(taken)
    gate.set()
    await task

    assert held == [0, 1, 2]
    assert sorted(done) == list(range(10))


async def test_an_error_ends_it_as_itself() -> None:
    """Not as a group, and no further item is begun."""
    begun: list[int] = []

    async def work(number: int) -> None:
        begun.append(number)
        raise KeyError(number)

    with pytest.raises(KeyError):
        await for_each(_numbers([], 10), work, at_once=2)

    assert len(begun) <= 2


async def test_nothing_to_do() -> None:
    """An empty stream ends at once."""

    async def work(number: int) -> None:
        raise AssertionError(number)

    await for_each(_numbers([], 0), work, at_once=4)
