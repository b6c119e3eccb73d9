"""Bounded concurrency over a stream, in constant memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def for_each(items: AsyncIterator[T], work: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """Await `work` for each item, at most `at_once` of them at a time; an exception cancels the others."""
    reading = asyncio.Lock()  # an asynchronous iterator allows one caller at a time

    async def worker() -> None:
        while True:
            async with reading:
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
    except ExceptionGroup as errors:
        # Only the first is reported; the others add nothing.
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[Exception]) -> Exception:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
