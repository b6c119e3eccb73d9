"""A benchmark's result: figures with their targets and tables, on the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table as RichTable

Cell = str | float | int | None


@dataclass(frozen=True)
class Figure:
    """One figure, and its upper or lower target; `limit` is None for a figure without a target."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    bound: Literal["at most", "at least"] = "at most"

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None without a target."""
        if self.limit is None:
            return None
        return self.value <= self.limit if self.bound == "at most" else self.value >= self.limit

    def row(self) -> list[str]:
        """Return a row of the table of figures."""
        target = "" if self.limit is None else f"{self.bound} {shown(self.limit)}"
        holds = {None: "", True: "yes", False: "NO"}[self.holds]
        return [self.what, f"{shown(self.value)} {self.unit}".strip(), target, holds]


@dataclass(frozen=True)
class Table:
    """The data behind the figures; `note` explains them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass
class Report:
    """The report of one benchmark; `name` is the stem of its files."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    plots: list[str] = field(default_factory=list)

    def print_on(self, console: Console) -> None:
        """Print the tables, then the figures."""
        for table in [*self.tables, self._summary()]:
            rich = RichTable(title=table.title, title_justify="left", caption=table.note, caption_justify="left")
            for number, column in enumerate(table.columns):
                rich.add_column(column, justify="right" if number else "left")
            for row in table.rows:
                rich.add_row(*map(shown, row))
            console.print(rich)

    def write(self, folder: Path) -> None:
        """Write `<name>.json` and `<name>.md`."""
        content = {
            "title": self.title,
            "machine": machine(),
            "figures": [asdict(figure) | {"holds": figure.holds} for figure in self.figures],
            "tables": [asdict(table) for table in self.tables],
        }
        (folder / f"{self.name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (folder / f"{self.name}.md").write_text(self._markdown(), encoding="utf-8")

    def _summary(self) -> Table:
        return Table(self.title, ["", "measured", "target", "holds"], [figure.row() for figure in self.figures])

    def _markdown(self) -> str:
        parts = [f"# {self.title}", machine()]
        for table in [self._summary(), *self.tables]:
            parts += [f"## {table.title}"] if table.title != self.title else []
            rows = [table.columns, ["---", *("--:" for _ in table.columns[1:])], *table.rows]
            parts.append("\n".join(f"| {' | '.join(map(shown, row))} |" for row in rows))
            parts += [table.note] if table.note else []
        parts += [f"![{plot}]({plot})" for plot in self.plots]
        return "\n\n".join(parts) + "\n"


def shown(cell: Cell) -> str:
    """Format a cell, with three significant digits."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"  # noqa: PLR2004 -- all digits before the decimal point
    return f"{cell:,}" if isinstance(cell, int) else cell


def machine() -> str:
    """Describe the machine; a load above the number of cores means that other programs ran."""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {system}, load {os.getloadavg()[2]:.1f} over 15 minutes."
