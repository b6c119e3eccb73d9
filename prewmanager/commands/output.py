"""What a command prints: tables for people, JSON for programs, both on standard output; progress on standard error."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

OnItem = Callable[[], None]
LINE_EVERY_S = 5.0  # of progress where no terminal shows it
INTERRUPTED = "interrupted; done so far, and started again it continues:"
_SHOWN = 20  # rows of what a command lists for people
_UNBOUNDED = 1_000_000  # columns


def print_json(value: object) -> None:
    """Print a value of plain types, dataclasses already turned into dictionaries; times in ISO 8601."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))  # noqa: T201 -- the command's output


class Listing:
    """What a command finds one by one: as JSON a line for each, as it comes; otherwise the first of them, in tables."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._rows: dict[str, list[Mapping[str, object]]] = {}
        self._left_out = 0

    def add(self, found: DataclassInstance) -> None:
        """Print what was found now, or keep it for `print_first` while there is room."""
        row = asdict(found)
        if self._as_json:
            print_json_line(row)
            return
        rows = self._rows.setdefault(row.pop("type"), [])
        if len(rows) < _SHOWN:
            rows.append(row)
        else:
            self._left_out += 1

    def print_first(self) -> None:
        """Print what was kept, and how much was not."""
        for rows in self._rows.values():
            print_table(rows)
        if self._left_out:
            print_line(f"and {self._left_out} more: --json prints all")


def print_json_line(value: Mapping[str, object]) -> None:
    """Print one object in one line, at once."""
    print(json.dumps(value, ensure_ascii=False, default=_plain), flush=True)  # noqa: T201 -- the command's output


def print_warning(text: str) -> None:
    """Print a line for people on standard error."""
    print(f"prewmanager: {_printable(text)}", file=sys.stderr)  # noqa: T201 -- the command's output


def no_match(prefix: str, what: str) -> bool:
    """Warn that nothing matches, and return False; without a prefix there may be nothing, and it is True."""
    if prefix:
        print_warning(f"--prefix {prefix}: no {what}'s name begins with this")
    return not prefix


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


class _Lines:
    """Progress in a pipe or a file: a line every few seconds, none for what takes less."""

    def __init__(self, what: str, total: int | None) -> None:
        self._what = what
        self._of = "" if total is None else f" of {total}"
        self._done = 0
        self._next = time.monotonic() + LINE_EVERY_S

    def advance(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LINE_EVERY_S
            print_warning(f"{self._what}: {self._done}{self._of}")


@contextlib.contextmanager
def progress(what: str, total: int | None = None) -> Iterator[OnItem]:
    """Show a bar, or without `total` a count, while the block runs; calling the yielded function advances it.

    Where standard error is no terminal, a line every few seconds has the numbers.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(what, total).advance
        return
    bar, remaining = (BarColumn(), TimeRemainingColumn()) if total is not None else (SpinnerColumn(), TextColumn(""))
    columns = (TextColumn("{task.description}"), bar, MofNCompleteColumn(), _Rate(), remaining)
    with Progress(*columns, console=console, transient=True) as drawn:
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
