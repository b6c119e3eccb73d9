"""The fault matrix: the promises of tests/promises, and the tests that hold them by their `fault` marks.

Marks are read from the source, so that neither imports nor skipped suites matter. Only a test's own decorators count.
"""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.docs.tables import ROOT

TESTS = ROOT / "tests"
PROMISES = TESTS / "promises"
# Where faults occur, in the order of the page: files of promises with their headings.
PLACES = {
    "clients": "Clients",
    "nginx": "nginx",
    "processes": "The service's processes",
    "redis": "Redis",
    "s3": "S3",
    "function": "Lambda and the function",
    "photos": "Hostile photos",
    "settings": "Settings and commands",
}
_INTRODUCTION = """\
# Faults

What is promised while something fails, and the tests that hold each promise. The promises are those of
[tests/promises](../../tests/promises/README.md); a test names the ones that it holds in its `fault` marks.

[The soak](../soak.md) injects the faults that have something in the third column: what a client may see while the fault
lasts, besides what is right. `cut` is a connection that ends before the answer does.
"""
_FIELDS = {"fault", "promise"}
_OF_THE_SOAK = {"allowed", "allowed_stored"}
_HEAD = ["| fault | promise | in the soak | tests |", "|---|---|---|---|"]


@dataclass(frozen=True)
class Promise:
    """What is promised under a fault; `name` is what marks call it.

    `allowed` is what a client may see meanwhile: a status, or `cut`; None if the soak does not inject the fault. It is
    `allowed_stored` for what S3 has, if that is given.
    """

    name: str
    place: str
    fault: str
    promise: str
    allowed: Sequence[str] | None = None
    allowed_stored: Sequence[str] | None = None

    def allows(self, *, stored: bool) -> Sequence[str]:
        """Return what a client may see that asks for what S3 has, or for anything else."""
        return self.allowed_stored if stored and self.allowed_stored is not None else self.allowed or ()

    @property
    def in_soak(self) -> str:
        """Return what the page says of the soak."""
        if self.allowed is None:
            return ""
        stored = "" if self.allowed_stored is None else f"; of what is stored: {_words(self.allowed_stored)}"
        return f"{_words(self.allowed)}{stored}"


@dataclass(frozen=True, order=True)
class FaultTest:
    """A `fault` mark of a test; `test` is empty where no test carries it, `name` where it is no plain text."""

    name: str
    path: str
    test: str

    @property
    def link(self) -> str:
        """Return the test's name, linked to its file."""
        return f"[`{self.test}`](../../{self.path})"


def promises(folder: Path = PROMISES) -> list[Promise]:
    """Return all promises, in the order of the page. Raises `ValueError` for a file that holds anything else."""
    unknown = {path.stem for path in folder.glob("*.toml")} - PLACES.keys()
    if unknown:
        raise ValueError(f"PLACES has no heading for {', '.join(sorted(unknown))}")
    return [promise for place in PLACES for promise in _read(folder / f"{place}.toml")]


def fault_tests(folder: Path = TESTS) -> list[FaultTest]:
    """Return each `fault` mark below a folder, once for each test."""
    return sorted({each for path in folder.rglob("*.py") for each in _fault_tests_in(path)})


def mistakes(kept: Iterable[Promise], held: Iterable[FaultTest]) -> Iterator[str]:
    """Yield a line for each promise without a test, mark without a promise, and name used twice."""
    listed = list(kept)
    tested = {each.name for each in held if each.test}
    known = Counter(promise.name for promise in listed)
    for promise in listed:
        if promise.name not in tested:
            yield f"no test holds the promise {promise.name} ({promise.place}.toml)"
    for each in held:
        if not each.test:
            yield f"{each.path} has a fault mark that decorates no test"
        elif each.name not in known:
            yield f"{each.path} {each.test} holds {each.name or 'what is no plain text'}, which no file promises"
    yield from (f"two promises have the name {name}" for name, count in known.items() if count > 1)


def matrix() -> str:
    """Return the text of the page."""
    held, lines = fault_tests(), [_INTRODUCTION]
    listed = promises()
    for place, heading in PLACES.items():
        rows = [_row(promise, held) for promise in listed if promise.place == place]
        if rows:
            lines += [f"## {heading}", "", *_HEAD, *rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(promise: Promise, held: Iterable[FaultTest]) -> str:
    tests = "<br>".join(each.link for each in held if each.name == promise.name and each.test)
    return f"| {_cell(promise.fault)} | {_cell(promise.promise)} | {promise.in_soak} | {tests} |"


def _words(allowed: Sequence[str]) -> str:
    return ", ".join(allowed) or "no error"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _read(path: Path) -> Iterator[Promise]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name}: {error}") from error
    for name, table in tables.items():
        if not isinstance(table, dict) or table.keys() - _OF_THE_SOAK != _FIELDS:
            raise ValueError(f"{path.name}: {name} needs {', '.join(sorted(_FIELDS))}, and nothing else")
        yield Promise(name, path.stem, **table)


def _fault_tests_in(path: Path) -> Iterator[FaultTest]:
    text = path.read_text(encoding="utf-8")
    if ".fault(" not in text:
        return
    tree, place = ast.parse(text), path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    in_tests = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for call in _calls(*node.decorator_list):
                in_tests.add(call)
                yield FaultTest(_argument(call), place, node.name)
    yield from (FaultTest(_argument(call), place, "") for call in set(_calls(tree)) - in_tests)


def _calls(*trees: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls of `….mark.fault(…)` in these trees."""
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.Call(func=ast.Attribute(attr="fault", value=ast.Attribute(attr="mark"))):
                yield node


def _argument(call: ast.Call) -> str:
    match call:
        case ast.Call(args=[ast.Constant(value=str(name))], keywords=[]):
            return name
    return ""
