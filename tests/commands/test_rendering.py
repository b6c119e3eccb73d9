"""Previews made one after the other, with an account of them."""

from __future__ import annotations

import pytest

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.commands.arguments import LIST_GB_SECOND_USD, CostAssumptions, estimate
from prewmanager.commands.rendering import MAX_LISTED, Renderer, RenderReport, addressable
from prewmanager.errors import Overloaded, PhotoCorrupt
from prewmanager.flights.coalescer import Coalescer
from prewmanager.flights.lease import Lifetimes, Timing
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Made
from prewmanager.resizing.load import Load
from prewmanager.resizing.render import Siblings
from tests.support.fakes import CATALOGUE, FakeClock, FakeStore, RecordingObserver, made, preview, until


class ThrottledResizer:
    """Refuses so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    async def resize(self, preview: Preview, also: Siblings | None = None) -> Made:
        assert also is None
        self.left -= 1
        if self.left >= 0:
            raise Overloaded("enough", 7.0)
        return made(preview.preview_key.encode())


def _maker(resizer: ThrottledResizer, clock: FakeClock, account: RenderReport) -> Renderer:
    coalescer = Coalescer(
        flight_store=MemoryFlightStore(clock),
        resizer=resizer,
        store=FakeStore(),
        observer=RecordingObserver(),
        timing=Timing(5, 30, 15, 45),
        lifetimes=Lifetimes(30, {"throttled": 2, "corrupt": 2}),
        load=Load(1),
        max_flights=10,
    )

    async def sleep(seconds: float) -> None:
        await until(lambda: not coalescer._flights)
        clock.now += seconds

    return Renderer(coalescer, account, 2.0, sleep)


async def test_a_throttled_preview_comes_again() -> None:
    """After as long as it was told, so that the remembered refusal is gone by then."""
    account, clock = RenderReport(), FakeClock()
    done = await _maker(ThrottledResizer(3), clock, account).make(preview())

    assert done
    assert (dict(account.done), dict(account.failed)) == ({"made": 1}, {})
    assert clock.now == pytest.approx(1000 + 3 * 7.1)


async def test_throttled_without_end_is_a_failure() -> None:
    """It is on the account with its kind, and the command goes on."""
    account = RenderReport()
    done = await _maker(ThrottledResizer(10_000), FakeClock(), account).make(preview())

    assert not done
    assert dict(account.failed) == {"throttled": 1}


def test_a_million_failures_are_counted_and_not_all_held() -> None:
    """What is listed is bounded."""
    account = RenderReport()
    for number in range(MAX_LISTED + 5):
        account.add_failure(f"prew/card/{number}", PhotoCorrupt("broken"))

    assert account.failed["corrupt"] == MAX_LISTED + 5
    assert len(account.failures) == MAX_LISTED


def test_a_name_is_acceptable_as_a_request_would_be() -> None:
    """The same keys as from a request's path, and none for what no path can name."""
    odd = "クズ箱/a b+c%20d#e?f.jpg"
    found = addressable(CATALOGUE, "card", odd)

    assert found is not None
    assert (found.photo_key, found.preview_key) == (f"photo/{odd}", f"prew/card/{odd}")
    refused = ["folder/", "a//b", "a/../b", "new\nline", "back\\..\\slash", "", "x" * 1020]
    assert [addressable(CATALOGUE, "card", name) for name in refused] == [None] * len(refused)


def test_an_estimate_at_list_price() -> None:
    """A million resizes of half a second with one CPU: 863,770 GB-seconds, and a fifth of a dollar for requests."""
    expected = estimate(1_000_000, CostAssumptions(0.5, 1769, LIST_GB_SECOND_USD))

    assert expected["gb_seconds"] == 863_769.5
    assert expected["usd"] == 14.5962
