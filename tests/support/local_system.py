"""What a test of the local system asks of its processes and its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def stack_of(checkout: Path) -> dict[str, Any]:
    """Return the content of `.local/stack.json`."""
    stack: dict[str, Any] = json.loads((checkout / ".local" / "stack.json").read_text())
    return stack


def descendants(pid: int) -> set[int]:
    """Return all child processes of this one, and theirs."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}
