"""Retired phrases in prose, by file and line: `python -m tests.docs.words [FILE…]`.

The phrases are the "quoted" ones in the last column of docs/glossary.md. Prose is every document, every docstring and
comment of Python, and the comments of the other files that people edit.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
SUFFIXES = {".md", ".py", ".env", ".example", ".yml", ".yaml", ".toml", ".js", ".html", ".sh", ".Dockerfile"}
_GENERATED = {"dist", "build", "htmlcov", "node_modules", "__pycache__"}
_COMMENT_SIGNS = ("#", "//", "*", ">")  # of comments and quotations
_GAP = rf"\s+(?:(?:{'|'.join(map(re.escape, _COMMENT_SIGNS))})\s+)?"  # a phrase may continue on the next line


@dataclass(frozen=True, order=True)
class Offence:
    """A retired name or phrase, and its place."""

    path: Path
    line: int
    found: str

    def __str__(self) -> str:
        """Return it in the form that editors open."""
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.found}"


def formerly(glossary: str, quote: str) -> list[str]:
    """Return what is between these quotes in the last column of the glossary's tables."""
    rows = (line.rsplit("|", 2) for line in glossary.splitlines() if line.startswith("|"))
    return [found for row in rows for found in re.findall(f"{quote}([^{quote}]+){quote}", row[-2])]


def phrases(glossary: str) -> list[str]:
    """Return the glossary's retired phrases, which are quoted."""
    return formerly(glossary, '"')


def prose(path: Path) -> str:
    """Return a file's prose, in place: of Python the docstrings and comments, with everything else left out."""
    text = path.read_text(encoding="utf-8")
    return _python(text) if path.suffix == ".py" else text


def find(text: str, retired: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Return line and phrase of each retired phrase in a text, in any case and across lines."""
    patterns = (_GAP.join(map(re.escape, phrase.split())) for phrase in sorted(retired, key=len, reverse=True))
    for match in re.finditer(rf"\b(?:{'|'.join(patterns)})\b", text, re.IGNORECASE):
        found = " ".join(word for word in match[0].lower().split() if word not in _COMMENT_SIGNS)
        yield text.count("\n", 0, match.start()) + 1, found


def files() -> list[Path]:
    """Return all files with prose, except the glossary."""
    return sorted(_files(ROOT))


def offences(paths: Iterable[Path] | None = None) -> list[Offence]:
    """Return every retired phrase in these files, or in all files."""
    retired = phrases(GLOSSARY.read_text(encoding="utf-8"))
    return sorted(
        Offence(path, line, f'"{phrase}"')
        for path in (files() if paths is None else paths)
        if (possible := _possible(path, retired))
        for line, phrase in find(prose(path), possible)
    )


def _possible(path: Path, retired: Iterable[str]) -> list[str]:
    """Return the phrases whose words a file has, in whatever order: few, and found without parsing it."""
    text = path.read_text(encoding="utf-8").lower()
    return [phrase for phrase in retired if all(word in text for word in phrase.lower().split())]


def main(search: Callable[[Iterable[Path] | None], list[Offence]]) -> None:
    """Print the offences in the files that the command line names, or in all files; exit with 1 if there are any."""
    listed = search([Path(name).resolve() for name in sys.argv[1:]] or None)
    sys.stdout.writelines(f"{each}\n" for each in listed)
    sys.exit(1 if listed else 0)


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in _GENERATED and not path.name.startswith("."):
                yield from _files(path)
        elif path != GLOSSARY and (path.suffix in SUFFIXES or path.name in {"Makefile", "Dockerfile"}):
            yield path


def _python(text: str) -> str:
    """Return the docstrings and comments, each on its line; what is between them is one NUL a line."""
    lines = text.splitlines()
    kept: dict[int, int] = {}  # from which column on, by line
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                kept |= dict.fromkeys(range(first.lineno - 1, first.end_lineno or first.lineno), 0)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            kept.setdefault(token.start[0] - 1, token.start[1])
    return "\n".join(_from(line, kept.get(number)) for number, line in enumerate(lines)) + "\n"


def _from(line: str, start: int | None) -> str:
    """Return the line from a column on, after a NUL where code is before it."""
    if start is None:
        return "\0" if line.strip() else ""
    return f"\0{line[start:]}" if line[:start].strip() else line[start:]


if __name__ == "__main__":
    main(offences)
