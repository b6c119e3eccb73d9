"""The wrappers around a resizer: concurrency-limited, retrying, rate-limited."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from prewmanager.errors import Overloaded, PhotoFatal, ResizerFailed
from prewmanager.resizing.limits import ConcurrencyLimitedResizer, RateLimitedResizer, RetryingResizer
from prewmanager.resizing.load import Load
from prewmanager.resizing.render import RenderJob, RenderResult
from tests.support.fakes import GatedResizer, job, made, until


class ScriptedResizer:
    """Raises the given errors one after another, then renders."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def resize(self, job: RenderJob) -> RenderResult:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return RenderResult(made(), {each.preset_name: made() for each in job.companions})


class RecordedSleep:
    """Returns at once, and records the requested durations."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.mark.fault("sandbox-killed")
@pytest.mark.parametrize(("crashes", "calls"), [(1, 2), (2, 2)])
async def test_only_the_second_crash_is_the_photos(crashes: int, calls: int) -> None:
    scripted = ScriptedResizer(*[PhotoFatal("killed")] * crashes)
    retrying = RetryingResizer(scripted, within_s=1, sleep=RecordedSleep())
    with pytest.raises(PhotoFatal) if crashes > 1 else contextlib.nullcontext():
        await retrying.resize(job())

    assert scripted.calls == calls


@pytest.mark.fault("sandbox-killed")
async def test_a_crash_after_too_long_is_not_tried_again() -> None:
    class Slow(ScriptedResizer):
        async def resize(self, job: RenderJob) -> RenderResult:
            await asyncio.sleep(2)
            return await super().resize(job)

    slow = Slow(PhotoFatal("killed"))
    with pytest.raises(PhotoFatal):
        await RetryingResizer(slow, within_s=1).resize(job())

    assert slow.calls == 1


@pytest.mark.fault("too-many-resizes")
async def test_no_more_than_allowed_run_at_once() -> None:
    gated, load = GatedResizer(), Load(at_once=4, typical_s=0.001)
    limited = ConcurrencyLimitedResizer(gated, load, max_wait_s=1)
    resizes = [asyncio.create_task(limited.resize(job())) for _ in range(30)]
    await until(lambda: load.queued == 26)

    assert len(gated.calls) == load.running == 4
    gated.gate.set()
    await asyncio.gather(*resizes)
    assert len(gated.calls) == 30
    assert (load.running, load.queued) == (0, 0)


@pytest.mark.fault("too-many-resizes")
async def test_a_slot_that_comes_too_late_is_refused() -> None:
    """With a second per resize and two slots, the ninth in the queue would wait for over four seconds."""
    gated, load = GatedResizer(), Load(at_once=2, typical_s=1.0)
    limited = ConcurrencyLimitedResizer(gated, load, max_wait_s=4)
    resizes = [asyncio.create_task(limited.resize(job())) for _ in range(10)]
    await until(lambda: load.queued == 8)
    with pytest.raises(Overloaded) as caught:
        await limited.resize(job())
    gated.gate.set()
    await asyncio.gather(*resizes)

    assert caught.value.retry_after_s == 5.0


@pytest.mark.fault("too-many-resizes")
async def test_a_cancelled_resize_releases_its_slot() -> None:
    gated, load = GatedResizer(), Load(at_once=1)
    limited = ConcurrencyLimitedResizer(gated, load, max_wait_s=100)
    running, waiting = (asyncio.create_task(limited.resize(job())) for _ in range(2))
    await until(lambda: load.queued == 1)
    for task in (waiting, running):
        task.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    gated.gate.set()

    await limited.resize(job())
    assert (load.running, load.queued) == (0, 0)


def test_the_typical_duration_follows_what_is_measured() -> None:
    load = Load(at_once=1, typical_s=1.0)
    for _ in range(50):
        load.finished(3.0)

    assert load.typical_s == pytest.approx(3.0, abs=0.05)
    assert load.drain_s(9) == pytest.approx(30, abs=0.5)


@pytest.mark.fault("lambda-throttles")
async def test_a_throttled_resize_is_retried_after_retry_after_or_a_growing_pause() -> None:
    scripted, sleep = ScriptedResizer(Overloaded("", 2.0), Overloaded(""), Overloaded("")), RecordedSleep()
    retrying = RetryingResizer(scripted, within_s=10, sleep=sleep)

    assert (await retrying.resize(job())).made == made()
    assert scripted.calls == 4
    assert 2.0 <= sleep.seconds[0] <= 3.0
    assert 0.2 <= sleep.seconds[1] <= 0.3
    assert 0.4 <= sleep.seconds[2] <= 0.6


@pytest.mark.fault("lambda-throttles")
async def test_what_cannot_be_retried_in_time_fails_at_once() -> None:
    scripted, sleep = ScriptedResizer(Overloaded("", 30.0)), RecordedSleep()
    with pytest.raises(Overloaded) as caught:
        await RetryingResizer(scripted, within_s=10, sleep=sleep).resize(job())

    assert caught.value.retry_after_s == 30.0
    assert (scripted.calls, sleep.seconds) == (1, [])


async def test_other_failures_are_not_retried() -> None:
    scripted = ScriptedResizer(ResizerFailed("boom"))
    with pytest.raises(ResizerFailed):
        await RetryingResizer(scripted, within_s=10).resize(job())

    assert scripted.calls == 1


async def test_a_used_up_quota_is_overloaded_until_there_is_more() -> None:
    scripted = ScriptedResizer()
    waits = iter([0.0, 1.5])

    class Quota:
        async def consume(self, client: str) -> float:  # noqa: ARG002 -- there is one
            return next(waits)

        async def is_whole(self) -> bool:
            return True

    limited = ConcurrencyLimitedResizer(RetryingResizer(scripted, within_s=1), Load(at_once=1), max_wait_s=1)
    rate_limited = RateLimitedResizer(limited, Quota())
    result = await rate_limited.resize(job("/prew/card/a.jpg", "/prew/thumb/a.jpg"))
    with pytest.raises(Overloaded) as caught:
        await rate_limited.resize(job())

    assert list(result.companions) == ["thumb"]
    assert scripted.calls == 1
    assert caught.value.retry_after_s == 1.5
