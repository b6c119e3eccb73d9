"""What is wrapped around a resizer: a bound, patience, a ration."""

from __future__ import annotations

import asyncio

import pytest

from prewmanager.errors import Overloaded, ResizerFailed
from prewmanager.previews.outcome import Made
from prewmanager.resizing.render import Siblings
from prewmanager.previews.catalogue import Preview
from prewmanager.resizing.limits import ConcurrencyLimitedResizer, RateLimitedResizer, RetryingResizer
from prewmanager.resizing.load import Load
from tests.support.fakes import GatedResizer, made, preview, until


class ScriptedResizer:
    """Raises what it is given, one after the other, and then makes the preview."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.also: Siblings | None = None

    async def resize(self, preview: Preview, also: Siblings | None = None) -> Made:
        assert preview
        self.also = also
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return made()


class RecordedSleep:
    """Sleeps not at all, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def test_no_more_than_allowed_run_at_once() -> None:
    """Of thirty, four run and the others wait their turn; all come through."""
    gated, load = GatedResizer(), Load(at_once=4, typical_s=0.001)
    bounded = ConcurrencyLimitedResizer(gated, load, max_wait_s=1)
    resizes = [asyncio.create_task(bounded.resize(preview())) for _ in range(30)]
    await until(lambda: load.queued == 26)

    assert len(gated.calls) == load.running == 4
    gated.gate.set()
    await asyncio.gather(*resizes)
    assert len(gated.calls) == 30
    assert (load.running, load.queued) == (0, 0)


async def test_a_turn_that_comes_too_late_is_refused() -> None:
    """With a second for each and two at once, the ninth in the queue would wait over four seconds."""
    gated, load = GatedResizer(), Load(at_once=2, typical_s=1.0)
    bounded = ConcurrencyLimitedResizer(gated, load, max_wait_s=4)
    resizes = [asyncio.create_task(bounded.resize(preview())) for _ in range(10)]
    await until(lambda: load.queued == 8)
    with pytest.raises(Overloaded) as caught:
        await bounded.resize(preview())
    gated.gate.set()
    await asyncio.gather(*resizes)

    assert caught.value.retry_after_s == 5.0


async def test_a_cancelled_turn_is_given_back() -> None:
    """Neither waiting nor running ones that are cancelled keep a place."""
    gated, load = GatedResizer(), Load(at_once=1)
    bounded = ConcurrencyLimitedResizer(gated, load, max_wait_s=100)
    running, waiting = (asyncio.create_task(bounded.resize(preview())) for _ in range(2))
    await until(lambda: load.queued == 1)
    for task in (waiting, running):
        task.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    gated.gate.set()

    assert await bounded.resize(preview())
    assert (load.running, load.queued) == (0, 0)


def test_the_load_learns() -> None:
    """The typical duration follows what is measured."""
    load = Load(at_once=1, typical_s=1.0)
    for _ in range(50):
        load.finished(3.0)

    assert load.typical_s == pytest.approx(3.0, abs=0.05)
    assert load.drain_s(9) == pytest.approx(30, abs=0.5)


async def test_throttled_three_times_and_then_well() -> None:
    """It comes back after what it was told, or after a growing pause, and then it gets its preview."""
    scripted, sleep = ScriptedResizer(Overloaded("", 2.0), Overloaded(""), Overloaded("")), RecordedSleep()
    patient = RetryingResizer(scripted, within_s=10, sleep=sleep)

    assert await patient.resize(preview())
    assert scripted.calls == 4
    assert 2.0 <= sleep.seconds[0] <= 3.0
    assert 0.2 <= sleep.seconds[1] <= 0.3
    assert 0.4 <= sleep.seconds[2] <= 0.6


async def test_patience_ends() -> None:
    """What cannot come in time is told at once, with the time to come back."""
    scripted, sleep = ScriptedResizer(Overloaded("", 30.0)), RecordedSleep()
    with pytest.raises(Overloaded) as caught:
        await RetryingResizer(scripted, within_s=10, sleep=sleep).resize(preview())

    assert caught.value.retry_after_s == 30.0
    assert (scripted.calls, sleep.seconds) == (1, [])


async def test_other_failures_are_final() -> None:
    """Only a throttled resize surely did not run, so only that is tried again."""
    scripted = ScriptedResizer(ResizerFailed("boom"))
    with pytest.raises(ResizerFailed):
        await RetryingResizer(scripted, within_s=10).resize(preview())

    assert scripted.calls == 1


async def test_without_quota_nothing_is_resized() -> None:
    """A used-up ration is Overloaded with the time until there is more, and costs no resize; siblings are none more."""
    scripted = ScriptedResizer()
    waits = iter([0.0, 1.5])

    class Quota:
        async def consume(self) -> float:
            return next(waits)

    bounded = ConcurrencyLimitedResizer(RetryingResizer(scripted, within_s=1), Load(at_once=1), max_wait_s=1)
    rationed = RateLimitedResizer(bounded, Quota())
    also = Siblings((preview("/prew/thumb/a.jpg"),))
    assert await rationed.resize(preview(), also)
    assert scripted.also is also
    with pytest.raises(Overloaded) as caught:
        await rationed.resize(preview())

    assert scripted.calls == 1
    assert caught.value.retry_after_s == 1.5
