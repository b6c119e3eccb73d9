"""Finds the project's files that given modules need, by their import statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def needed_by(root: Path, *modules: str) -> tuple[str, ...]:
    """Return the files of `modules` (dotted names) and of all their direct and indirect imports below `root`.

    Names are relative to `root`. A module also needs the `__init__` of each enclosing package.
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
    """Return the module's file, or None if the name is no module of the project."""
    path = root.joinpath(*module.split("."))
    return next((each for each in (path / "__init__.py", path.with_suffix(".py")) if each.exists()), None)


def _imported(path: Path) -> Iterator[str]:
    """Yield all names that may be modules: the source of a `from` import, alone and joined with each imported name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
