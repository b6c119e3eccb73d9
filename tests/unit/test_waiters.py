"""Requests waiting for one flight: one timer for all deadlines."""

from __future__ import annotations

import asyncio

import pytest

from prewmanager.errors import DeadlineExceeded
from prewmanager.flights.result import FlightResult
from prewmanager.flights.waiters import Waiters
from tests.support.fake_time import pass_time
from tests.support.fakes import made

RESULT = FlightResult(made())


async def test_each_waiter_times_out_at_its_own_deadline() -> None:
    loop, waiters, ended = asyncio.get_running_loop(), Waiters(10), []

    async def wait() -> None:
        began = loop.time()
        with pytest.raises(DeadlineExceeded):
            await waiters.wait()
        ended.append(loop.time() - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(wait())
            await pass_time(4)

    assert ended == pytest.approx([10, 10, 10])
    assert len(waiters) == 0


async def test_a_deadline_after_all_waiters_have_timed_out_is_kept_as_well() -> None:
    waiters = Waiters(10)
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            await waiters.wait()


async def test_a_waiter_that_leaves_does_not_affect_the_others() -> None:
    waiters = Waiters(10)
    leaving, staying = (asyncio.create_task(waiters.wait()) for _ in range(2))
    await pass_time(1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert len(waiters) == 1
    waiters.publish(RESULT)

    assert await staying is RESULT
    assert await waiters.wait() is RESULT  # also one that comes later


async def test_a_waiter_cancelled_as_its_flight_completes_disturbs_nothing() -> None:
    waiters = Waiters(10)
    cancelled, other = (asyncio.create_task(waiters.wait()) for _ in range(2))
    await pass_time(1)
    cancelled.cancel()
    waiters.publish(RESULT)
    results = await asyncio.gather(cancelled, other, return_exceptions=True)

    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1] is RESULT
    await pass_time(20)  # the timer is gone


async def test_a_waiter_cancelled_at_its_deadline_disturbs_nothing() -> None:
    loop, waiters = asyncio.get_running_loop(), Waiters(10)
    cancelled, other = (asyncio.create_task(waiters.wait()) for _ in range(2))
    loop.call_at(loop.time() + 10, cancelled.cancel)
    results = await asyncio.gather(cancelled, other, return_exceptions=True)

    assert [type(result) for result in results] == [asyncio.CancelledError, DeadlineExceeded]
