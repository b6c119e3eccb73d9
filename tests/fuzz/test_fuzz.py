"""The fuzzer itself: its files can be repeated, and it finds what costs much."""

from __future__ import annotations

import pytest

from lambda_resize import files, vips
from lambda_resize.files import source_format
from tests.fuzz.chance import Chance, changed
from tests.fuzz.run import GRAMMARS, Find, Findings, fuzz


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_grammar_writes_its_format_and_repeats_itself(name: str) -> None:
    vips.allow_svg(allowed=True)
    files.allow_pdf(allowed=True)
    first = Chance(7)
    data = GRAMMARS[name](first)
    assert GRAMMARS[name](Chance(8, first.drawn)) == data
    assert source_format(data) == name.removeprefix("a" if name == "apng" else "")
    vips.allow_svg(allowed=False)
    files.allow_pdf(allowed=False)


def test_changed_draws_differ_in_few_places() -> None:
    drawn = [0.5] * 100
    assert 1 <= sum(each != 0.5 for each in changed(drawn, 3)) <= 4


def test_the_most_costly_files_are_kept_and_violations_are_reported() -> None:
    findings = Findings()
    for seconds in range(20):
        findings.add(Find("png", (0.1,), b"x", "preview", float(seconds), 60))
    assert findings.tried == 20
    assert [find.seconds for find in findings.best["png"][:2]] == [19, 18]
    assert {find.seconds for find in findings.violations} == set(range(17, 20))
    assert Find("png", (0.1,), b"x", "crash", 0, 0).violates


@pytest.mark.fault("photo-costly")
def test_a_few_seconds_of_it_find_nothing_over_the_limits() -> None:
    *_, findings = fuzz(seed=1, seconds=8, names=["png", "jpeg", "gif", "webp", "tiff", "svg"])
    assert findings.tried > 0
    assert [(find.name, find.kind, find.seconds, find.megabytes) for find in findings.violations] == []
