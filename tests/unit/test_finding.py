"""Who asks S3 whether a preview is stored already: the flight, or the resizer beside its read of the photo."""

from __future__ import annotations

import pytest

from prewmanager.flights.finding import Finding
from prewmanager.previews.outcome import Source
from tests.support.fakes import made
from tests.support.replica import InMemoryReplica


def _is_by_resizer(finding: Finding) -> bool:
    return finding.by_resizer


def test_the_flight_asks_until_the_resizer_says_that_it_can() -> None:
    finding = Finding()
    assert not _is_by_resizer(finding)
    finding.resizer_can({"find"})
    assert _is_by_resizer(finding)
    finding.resizer_can({"answer_first"})
    assert not _is_by_resizer(finding)


def test_while_more_than_a_twentieth_are_found_the_flight_asks() -> None:
    """Each would be an invocation for nothing."""
    finding = Finding()
    finding.resizer_can({"find"})
    for found in (True, True, True):
        assert _is_by_resizer(finding)
        finding.answered(found=found)
    assert not _is_by_resizer(finding)
    for _ in range(20):
        finding.answered(found=False)
    assert _is_by_resizer(finding)


def test_a_flight_with_a_store_of_its_own_always_asks_it() -> None:
    """As `stale --fix`, which finds fresh previews only."""
    finding = Finding(by_resizer=False)
    finding.resizer_can({"find"})

    assert not finding.by_resizer


@pytest.mark.parametrize("can_find", [False, True])
async def test_the_bucket_is_asked_once_by_whoever_it_is(*, can_find: bool) -> None:
    replica = InMemoryReplica()
    replica.resizer.can = frozenset({"find"} if can_find else ())
    replica.resizer.gate.set()
    for path in ("/prew/card/first.jpg", "/prew/card/second.jpg", "/prew/card/third.jpg"):
        await replica.ask(path)

    assert replica.store.requests == (1 if can_find else 3)
    assert replica.resizer.asked_to_find == [False, can_find, can_find]


async def test_what_the_resizer_has_found_is_found() -> None:
    replica = InMemoryReplica()
    replica.resizer.can = frozenset({"find"})
    replica.resizer.gate.set()
    await replica.ask("/prew/card/first.jpg")
    replica.resizer.finds = made(b"stored")
    answer = await replica.ask("/prew/card/second.jpg")

    assert (answer.made.body, answer.source) == (b"stored", Source.FOUND)
