"""The budget for results in memory."""

from __future__ import annotations

import pytest

from prewmanager.flights.memory import ResultMemory
from prewmanager.previews.outcome import Failure, Made
from tests.support.fakes import made
from tests.support.replica import InMemoryReplica


@pytest.mark.fault("large-results")
def test_a_result_counts_for_as_long_as_anybody_holds_it() -> None:
    levels: list[int] = []
    memory = ResultMemory(100, levels.append)
    first = memory.within(made(b"x" * 60))
    beyond = memory.within(made(b"y" * 60))
    assert isinstance(first, Made)
    assert isinstance(beyond, Made)
    assert (first.body, beyond.body, beyond.size) == (b"x" * 60, None, 60)
    del first
    again = memory.within(made(b"z" * 60))

    assert isinstance(again, Made)
    assert again.body is not None
    assert levels == [60, 0, 60]


def test_what_has_no_bytes_costs_nothing() -> None:
    memory = ResultMemory(0)
    failure = Failure("missing", "no such key")

    assert memory.within(failure) is failure


@pytest.mark.fault("large-results")
async def test_beyond_the_budget_a_preview_is_streamed_by_whoever_asked() -> None:
    replica = InMemoryReplica(memory_bytes=10)
    replica.resizer.gate.set()
    answer = await replica.ask()

    assert answer.made.body is None
    assert answer.made.size == len(replica.store.objects["prew/card/a.jpg"].body or b"")
