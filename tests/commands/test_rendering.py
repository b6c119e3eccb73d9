"""Previews rendered one by one, and their outcomes counted."""

from __future__ import annotations

import pytest

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.commands.arguments import LIST_GB_SECOND_USD, CostAssumptions
from prewmanager.commands.output import Listing
from prewmanager.commands.rendering import RenderCounter, Renderer, addressable
from prewmanager.commands.warm import estimate
from prewmanager.errors import Overloaded
from prewmanager.previews.outcome import Failure, Source
from prewmanager.resizing.render import RenderJob, RenderResult
from tests.support.fakes import CATALOGUE, FakeClock, made, preview, until
from tests.support.replica import InMemoryReplica


class ThrottledResizer:
    """Raises `Overloaded` a number of times, then renders."""

    def __init__(self, times: int) -> None:
        self.left = times

    async def resize(self, job: RenderJob) -> RenderResult:
        assert not job.companions
        self.left -= 1
        if self.left >= 0:
            raise Overloaded("enough", 7.0)
        return RenderResult(made(job.preview.preview_key.encode()))


def _renderer(throttled_times: int, clock: FakeClock) -> Renderer:
    resizer = ThrottledResizer(throttled_times)
    coalescer = InMemoryReplica(MemoryFlightStore(clock), traced_resizer=lambda _: resizer).coalescer

    async def sleep(seconds: float) -> None:
        await until(lambda: not coalescer.in_flight())
        clock.now += seconds

    return Renderer(coalescer, 2.0, sleep)


async def test_a_throttled_preview_is_retried_when_the_cached_failure_has_expired() -> None:
    clock = FakeClock()

    assert await _renderer(3, clock).render(preview()) is Source.MADE
    assert clock.now == pytest.approx(1000 + 3 * 7.1)


async def test_a_preview_that_stays_throttled_is_a_failure() -> None:
    assert await _renderer(10_000, FakeClock()).render(preview()) == Failure("throttled", "enough", 7.0)


def test_all_failures_are_counted_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """In constant memory: as JSON each is a line, for people the first twenty are kept."""
    for as_json in (True, False):
        listing = Listing(as_json=as_json)
        counter = RenderCounter(listing)
        for number in range(1005):
            counter.add(f"prew/card/{number}", Failure("corrupt", "broken"))
        lines = capsys.readouterr().out.splitlines()
        listing.print_first()
        shown = capsys.readouterr().out

        assert counter.report().failed == {"corrupt": 1005}
        assert len(lines) == (1005 if as_json else 0)
        assert shown.count("prew/card/") == (0 if as_json else 20)
        assert ("and 985 more" in shown) is not as_json


def test_a_name_has_the_keys_of_its_request_path() -> None:
    odd = "クズ箱/a b+c%20d#e?f.jpg"
    found = addressable(CATALOGUE, "card", odd)

    assert found is not None
    assert (found.photo_key, found.preview_key) == (f"photo/{odd}", f"prew/card/{odd}")
    refused = ["folder/", "a//b", "a/../b", "new\nline", "back\\..\\slash", "", "x" * 1020]
    assert [addressable(CATALOGUE, "card", name) for name in refused] == [None] * len(refused)


def test_an_estimate_at_list_price() -> None:
    """A million resizes of half a second with one CPU: 863,770 GB-seconds, and $0.20 for requests."""
    expected = estimate(1_000_000, CostAssumptions(0.5, 1769, LIST_GB_SECOND_USD))

    assert expected.gb_seconds == 863_769.5
    assert expected.usd == 14.5962
