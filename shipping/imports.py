"""Which of the project's files some modules need, by their import statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def needed_by(root: Path, *modules: str) -> tuple[str, ...]:
    """The files of `modules` (dotted names) and of everything they import below `root`, directly or not.

    Names are relative to `root`. A module needs the `__init__` of each package around it.
    """
    found: dict[str, Path] = {}
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        path = _file(root, name)
        if path is not None and name not in found:
            found[name] = path
            waiting |= {name.rpartition(".")[0] or name, *_imported(path)}
    return tuple(sorted(path.relative_to(root).as_posix() for path in found.values()))


def _file(root: Path, module: str) -> Path | None:
    """The module's file; None for modules that are not the project's, and for names that are not modules."""
    path = root.joinpath(*module.split("."))
    return next((each for each in (path / "__init__.py", path.with_suffix(".py")) if each.exists()), None)


def _imported(path: Path) -> Iterator[str]:
    """All names that may be modules: what `from` imports from, and that together with what it imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
