"""Keeping a lease during the work: renewed until its lock TTL, released when the work fails."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from prewmanager.flights.lease import Timing, kept
from tests.support.fake_time import pass_time
from tests.support.fakes import RecordingLease, until

TIMING = Timing(lease_s=3, lock_ttl_s=10, invoke_s=12, wait_s=15)


async def test_a_lease_is_renewed_three_times_within_its_time_and_not_beyond_the_lock_ttl() -> None:
    loop, lease = asyncio.get_running_loop(), RecordingLease()
    began = loop.time()
    async with kept(lease, TIMING):
        await pass_time(60)

    # The last renewal expires at the lock TTL.
    assert [at - began for at in lease.renewals] == pytest.approx([1, 2, 3, 4, 5, 6])
    assert lease.releases == 0


async def test_a_lost_lease_is_not_renewed_again() -> None:
    lease = RecordingLease()
    lease.own = False
    async with kept(lease, TIMING):
        await pass_time(8)

    assert len(lease.renewals) == 1


async def test_work_that_ends_before_the_first_renewal_costs_none() -> None:
    lease = RecordingLease()
    async with kept(lease, TIMING):
        pass
    await pass_time(60)

    assert lease.renewals == []


async def test_no_renewal_outlasts_the_work() -> None:
    """A renewal in progress is cancelled, so that it cannot overwrite the result."""
    lease = RecordingLease()
    lease.gate.clear()
    async with kept(lease, TIMING):
        await pass_time(1.5)
    lease.gate.set()
    await pass_time(60)

    assert (lease.renewals_ended, len(lease.renewals)) == (0, 1)


async def test_a_failure_of_the_work_releases_the_lease() -> None:
    lease = RecordingLease()
    with contextlib.suppress(ZeroDivisionError):
        async with kept(lease, TIMING):
            raise ZeroDivisionError

    assert (lease.releases, lease.released) == (1, True)


async def test_a_second_cancellation_does_not_stop_the_release() -> None:
    """The flight store may be slow while the process shuts down."""
    lease = RecordingLease()
    lease.gate.clear()

    async def work() -> None:
        async with kept(lease, TIMING):
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await pass_time(0.5)
    working.cancel()
    await until(lambda: lease.releases == 1)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert not lease.released
    lease.gate.set()
    await pass_time(1)

    assert (lease.releases, lease.released) == (1, True)
