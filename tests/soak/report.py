"""The table that a run ends with."""

from __future__ import annotations

from collections import Counter

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tests.soak.run import Result

_MOST_SHOWN = 40


def show(result: Result, console: Console) -> None:
    """Print requests by kind, faults, the system before and after, and violations."""
    console.print(_requests(result))
    console.print(_faults(result))
    console.print(_measured(result))
    for what, count in result.violations.most_common(_MOST_SHOWN):
        console.print(
            f"{count} times {what}\n    first: {result.first[what]}", markup=False, highlight=False, soft_wrap=True
        )
    total = sum(result.violations.values())
    console.print(f"{total or 'no'} violation{'' if total == 1 else 's'}", highlight=False)


def _requests(result: Result) -> Table:
    words = sorted({word for seen in result.seen.values() for word in seen})
    table = Table("requests", "all", *words, box=SIMPLE)
    whole: Counter[str] = Counter()
    for kind, seen in sorted(result.seen.items()):
        whole += seen
        table.add_row(kind, *_counts(seen, words))
    table.add_row("all", *_counts(whole, words))
    return table


def _counts(seen: Counter[str], words: list[str]) -> list[str]:
    return [str(seen.total()), *(str(seen[word] or "") for word in words)]


def _faults(result: Result) -> Table:
    words = sorted({word for seen in result.errors.values() for word in seen})
    table = Table("faults of the time", "injected", *words, box=SIMPLE)
    for names in sorted(result.faults.keys() | result.errors.keys()):
        seen = result.errors.get(names, Counter())
        table.add_row(names, str(result.faults[names] or ""), *(str(seen[word] or "") for word in words))
    return table


def _measured(result: Result) -> Table:
    table = Table("at rest", "", "before", "after", box=SIMPLE)
    for (process, name), before in result.before.items():
        table.add_row(process, name, f"{before:.0f}", f"{result.after[process, name]:.0f}")
    return table
