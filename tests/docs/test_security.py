"""docs/security.md: each promise names its bound and its tests, and each of these tests exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.docs.tables import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
HOSTILE = ROOT / "tests" / "lambda_resize" / "test_hostile.py"
_NAMED = re.compile(r"`(test_\w+)`")
_FILES = re.compile(r"`(tests/[\w/]+\.py)`")
_SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]


@cache
def _tests() -> frozenset[str]:
    """Return the names of all tests."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return frozenset(name for text in texts for name in re.findall(r"^ *(?:async )?def (test_\w+)", text, re.MULTILINE))


def _rows(last: str) -> Iterator[list[str]]:
    """Return the cells of each row of the tables whose last column has this heading."""
    heading = ""
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")] if line.startswith("|") else []
        if cells and not heading:
            heading = cells[-1]
        elif cells and heading == last and not line.startswith("|---"):
            yield cells
        elif not cells:
            heading = ""


@pytest.mark.parametrize("section", _SECTIONS, ids=lambda section: section.partition("\n")[0])
def test_each_section_names_whom_it_is_against_and_its_tests(section: str) -> None:
    introduction = section.split("\n\n")[1]

    assert re.match(r"The (attacker|operator) ", introduction)
    assert _NAMED.search(section) or _FILES.search(section)


@pytest.mark.parametrize("row", list(_rows("test")), ids=lambda row: row[0][:40])
def test_each_promise_has_a_test(row: list[str]) -> None:
    assert row[-1].count("`") >= 2
    assert _NAMED.findall(row[-1]) or _FILES.findall(row[-1])


def test_each_test_that_is_named_exists() -> None:
    assert set(_NAMED.findall(PAGE)) - _tests() == set()
    assert [name for name in _FILES.findall(PAGE) if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("row", list(_rows("tests named")), ids=lambda row: row[0][:40])
def test_each_hostile_photos_words_are_those_of_attacks(row: list[str]) -> None:
    text = HOSTILE.read_text(encoding="utf-8").lower().replace("_", " ")

    assert [words for words in row[-1].lower().split(", ") if words not in text] == []
