"""No text uses a word or phrase that the glossary has retired."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import names, words

RETIRED = words.phrases('| term | meaning | formerly |\n| a | b "no" c | `barn`, "gone by", "stands in" |\n')


def test_phrases_are_the_quoted_ones_of_the_last_column() -> None:
    assert RETIRED == ["gone by", "stands in"]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("page.md", "It Stands\n  in for it.\n", [(1, "stands in")]),
        ("page.md", "It standstill in, or stands inside.\n", []),
        ("code.py", '"""First.\n\nIt is gone by.\n"""\n', [(3, "gone by")]),
        ("code.py", "x = 1  # which stands\n# in for two\n", [(1, "stands in")]),
        ("code.py", 'x = "stands in"\n', []),
        ("code.py", "x = 1  # it stands\ny = 2\n# in for two\n", []),
        (".env.example", "# It stands\n# in for it.\n", [(1, "stands in")]),
        ("page.js", "// It is gone\n// by then.\n", [(1, "gone by")]),
    ],
)
def test_a_planted_phrase_is_found(tmp_path: Path, name: str, text: str, found: list[tuple[int, str]]) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")

    assert list(words.find(words.prose(path), RETIRED)) == found


def test_prose_is_free_of_retired_phrases() -> None:
    """`python -m tests.docs.words` lists them, with file and line."""
    assert [str(each) for each in words.offences()] == []


NAMES = names.retired_names('| term | meaning | formerly |\n| a | b `no` c | `barn`, `give_back`, "gone by" |\n')


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("code.py", "def build(dollBarn): ...\n", [(1, "dollBarn", "barn")]),
        ("code.py", "class BarnDoor: ...\n", [(1, "BarnDoor", "barn")]),
        ("code.py", "def give_back_all(): ...\n", [(1, "give_back_all", "give back")]),
        ("code.py", "def give(back): ...\n", []),
        ("code.py", "library.barn(barnacle)\n", []),
        ("code.py", "log.info('barn.lost')\n", [(1, "barn.lost", "barn")]),
        ("code.py", "KEY = 'prew:barn:'\n", [(1, "prew:barn:", "barn")]),
        ("code.py", "Gauge('prewmanager_barn', 'About it')\n", [(1, "prewmanager_barn", "barn")]),
        ("code.py", "TITLE = 'Full barn'\n", [(1, "Full barn", "barn")]),
        ("barn.py", "", [(1, "barn", "barn")]),
        ("page.js", "function toBarn() {\n  const a = 1;\n}\n", [(1, "toBarn", "barn")]),
        ("page.html", '<p id="barn-title">barn</p>\n', [(1, "barn-title", "barn")]),
    ],
)
def test_a_planted_name_is_found_where_it_is_given_and_not_where_it_is_used(
    tmp_path: Path, name: str, text: str, found: list[tuple[int, str, str]]
) -> None:
    assert list(names.find(tmp_path / name, text, NAMES)) == found


def test_names_are_free_of_retired_words() -> None:
    """`python -m tests.docs.names` lists them, with file and line."""
    assert [str(each) for each in names.offences()] == []
