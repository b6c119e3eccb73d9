"""Bounded concurrency over a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from prewmanager.commands.concurrency import for_each
from tests.support.fakes import until


async def _numbers(count: int, yielded: list[int] | None = None) -> AsyncIterator[int]:
    for number in range(count):
        if yielded is not None:
            yielded.append(number)
        yield number


async def test_each_item_is_processed_once_and_never_more_than_allowed_at_once() -> None:
    gate, yielded, running, done = asyncio.Event(), list[int](), set[int](), list[int]()

    async def work(number: int) -> None:
        running.add(number)
        await gate.wait()
        running.remove(number)
        done.append(number)

    task = asyncio.create_task(for_each(_numbers(10, yielded), work, at_once=3))
    await until(lambda: len(running) == 3)
    before = list(yielded)
    gate.set()
    await task

    assert before == [0, 1, 2]
    assert sorted(done) == list(range(10))


async def test_an_error_ends_the_work_and_is_raised_unchanged() -> None:
    started: list[int] = []

    async def work(number: int) -> None:
        started.append(number)
        raise KeyError(number)

    with pytest.raises(KeyError):
        await for_each(_numbers(10), work, at_once=2)

    assert len(started) <= 2


async def test_an_empty_stream_ends_at_once() -> None:
    async def work(number: int) -> None:
        raise AssertionError(number)

    await for_each(_numbers(0), work, at_once=4)
