"""What a command prints: tables for people, JSON for programs, both on standard output; progress on standard error."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.filesize import decimal
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

OnItem = Callable[[], None]
_UNBOUNDED = 1_000_000  # columns


def print_json(value: object) -> None:
    """Print a value of plain types, dataclasses already turned into dictionaries; times in ISO 8601."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))  # noqa: T201 -- the command's output


def print_table(rows: Sequence[Mapping[str, object]]) -> None:
    """Print dictionaries with the same keys; a column named bytes is shown in kB, MB and so on.

    Cells are text and never markup. A terminal folds what is too wide for it; in a pipe or file each row is one line,
    as wide as it needs.
    """
    if not rows:
        return
    table = Table()
    for name in rows[0]:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_printable(_shown(name, value))) for name, value in row.items()))
    console = Console()
    if not console.is_terminal:
        console.width = Measurement.get(console, console.options.update(max_width=_UNBOUNDED), table).maximum
    console.print(table)


def print_line(text: str) -> None:
    """Print a line for people, unbroken."""
    print(_printable(text))  # noqa: T201 -- the command's output


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the items per second over the last half minute."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextlib.contextmanager
def progress(what: str, total: int | None = None) -> Iterator[OnItem]:
    """Show a bar, or without `total` a count, while the block runs; calling the yielded function advances it.

    Nothing is drawn unless standard error is a terminal.
    """
    console = Console(stderr=True)
    bar, remaining = (BarColumn(), TimeRemainingColumn()) if total is not None else (SpinnerColumn(), TextColumn(""))
    columns = (TextColumn("{task.description}"), bar, MofNCompleteColumn(), _Rate(), remaining)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as drawn:
        task = drawn.add_task(what, total=total)
        yield lambda: drawn.advance(task)


def readable_size(size: int) -> str:
    """Format a number of bytes in kB, MB and so on."""
    return decimal(size)


def _shown(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return readable_size(value) if name == "bytes" and isinstance(value, int) else str(value)


def _printable(text: str) -> str:
    """Escape control characters: a key may hold line breaks, or sequences that a terminal obeys."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be printed as JSON")
