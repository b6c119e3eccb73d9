"""Which modules of a package some of them need, by their import statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def needed_by(folder: Path, *modules: str) -> tuple[str, ...]:
    """`modules` and all that they import of the package in `folder`, directly or not; `__init__` is among them."""
    found: set[str] = set()
    waiting = {*modules, "__init__"}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= {each for each in _imported(folder, name) if (folder / f"{each}.py").exists()} - found
    return tuple(sorted(found))


def _imported(folder: Path, module: str) -> Iterator[str]:
    """What may be modules of the package; names that are none are told apart by their missing file."""
    for node in ast.walk(ast.parse((folder / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == folder.name:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.removeprefix(f"{folder.name}.")
        elif isinstance(node, ast.Import):
            yield from (alias.name.removeprefix(f"{folder.name}.") for alias in node.names)
