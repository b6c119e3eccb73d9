"""The fault matrix: each promise has a test, each mark a promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.faults import FaultTest, Promise, fault_tests, mistakes, promises


def test_each_promise_has_a_test_and_each_test_a_promise() -> None:
    assert list(mistakes(promises(), fault_tests())) == []


def test_what_does_not_fit_is_reported() -> None:
    kept = [Promise(name, "redis", "", "") for name in ("tested", "untested", "tested")]
    held = [
        FaultTest("tested", "a.py", "test_a"),
        FaultTest("untested", "a.py", ""),
        FaultTest("unknown", "a.py", "test_b"),
    ]

    assert list(mistakes(kept, held)) == [
        "no test holds the promise untested (redis.toml)",
        "a.py has a fault mark that decorates no test",
        "a.py test_b holds unknown, which no file promises",
        "two promises have the name tested",
    ]


def test_the_names_are_read_from_the_decorators_of_tests(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "@pytest.mark.fault('one')\n@pytest.mark.fault('two')\nasync def test_both(): ...\n"
        "@pytest.mark.parametrize('n', [pytest.param(1, marks=pytest.mark.fault('three'))])\ndef test_a(n): ...\n"
        "@pytest.mark.fault(NAME)\ndef test_b(): ...\n"
        "pytestmark = pytest.mark.fault('nowhere')\n",
        encoding="utf-8",
    )
    found = [(each.name, each.test) for each in fault_tests(tmp_path)]

    assert found == [("", "test_b"), ("nowhere", ""), ("one", "test_both"), ("three", "test_a"), ("two", "test_both")]


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("elsewhere", "", "no heading for elsewhere"),
        ("redis", "[a]\nfault = 'x'\n", r"redis.toml: a needs fault, promise"),
        ("redis", "[a]\n[a]\n", "redis.toml: "),
    ],
)
def test_a_file_that_is_no_list_of_promises_is_refused(file: str, text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / f"{file}.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=reason):
        promises(tmp_path)
