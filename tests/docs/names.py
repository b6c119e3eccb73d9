"""Retired names in code, by file and line: `python -m tests.docs.names [FILE…]`.

The names are the `backquoted` ones in the last column of docs/glossary.md, of one word or several. Checked are the
names that this project gives: of functions, classes, parameters, variables, attributes and modules; of log events,
metrics and Redis keys; problem titles; names and ids of the page. What others name (a library's method that is called)
is not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.docs.words import GLOSSARY, ROOT, Offence, files, formerly, main

_PACKAGES = ["prewmanager", "prewmanager_presets", "lambda_resize", "devstack", "shipping"]
_FOLDERS = [*_PACKAGES, "observability", "tests", "benchmarks"]
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Functions, classes, variables, and fields of objects in JavaScript; ids, classes and names in HTML.
_JAVASCRIPT = re.compile(r"\b(?:function|class|const|let|var)\s+([\w$]+)|[{,]\s*([A-Za-z_$][\w$]*)\s*[:,}]")
_HTML = re.compile(r'\b(?:id|class|name|for)="([^"]+)"')
# Strings that name a log event, a metric, or a key or channel of Redis; and problem titles.
_NAMING_STRING = re.compile(r"prewmanager_[a-z_]+|prew:[a-z_:]+|[a-z_]+\.[a-z_]+|[A-Z][a-z]+( [a-z]+){0,3}")


def retired_names(glossary: str) -> list[tuple[str, ...]]:
    """Return the words of each of the glossary's retired names, which are backquoted."""
    return [split(name) for name in formerly(glossary, "`")]


def split(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case: `giveBack`, `give_back` and `GIVE_BACK` alike."""
    return tuple(word.lower() for word in _WORD.findall(name))


def find(path: Path, text: str, retired: Iterable[tuple[str, ...]]) -> Iterator[tuple[int, str, str]]:
    """Return line, name and retired word of each offending name in a file."""
    known = list(retired)
    for line, name in _names(path, text):
        words = split(name)
        for each in known:
            if any(words[start : start + len(each)] == each for start in range(len(words))):
                yield line, name, " ".join(each)


def offences(paths: Iterable[Path] | None = None) -> list[Offence]:
    """Return every retired name in these files, or in all files."""
    retired = retired_names(GLOSSARY.read_text(encoding="utf-8"))
    return sorted(
        Offence(path, line, f"{name} ({words})")
        for path in (files() if paths is None else paths)
        if path.relative_to(ROOT).parts[0] in _FOLDERS
        for line, name, words in find(path, path.read_text(encoding="utf-8"), retired)
    )


def _names(path: Path, text: str) -> Iterator[tuple[int, str]]:
    yield 1, path.stem
    match path.suffix:
        case ".py":
            yield from _python(ast.parse(text))
        case ".js":
            yield from _matches(_JAVASCRIPT, text)
        case ".html":
            yield from _matches(_HTML, text)


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, next(group for group in match.groups() if group)


def _python(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the names that a module gives, and its strings that name something."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.Constant(value=str(name)) if _NAMING_STRING.fullmatch(name):
                yield node.lineno, name


if __name__ == "__main__":
    main(offences)
