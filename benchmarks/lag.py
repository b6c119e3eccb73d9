"""The time between a preview's completion and its waiters' last byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.percentiles import median_of
from benchmarks.report import Figure, Report, Table
from benchmarks.rounds import held_round
from benchmarks.systems import System
from benchmarks.waiters import Waiters

# With many waiters, sending 70 KB to each dominates all figures, and rounds are long.
_MANY = 1000
_ROUNDS_OF_MANY = 3
_NOTE = (
    "In the reference implementation, each request that arrives before the lock is set renders the preview itself. "
    "These requests do not wait for a poll, and among few waiters they are the majority."
)
Lags = dict[tuple[str, int], list[list[float]]]


def measure(systems: Sequence[System], counts: Sequence[int], rounds: int) -> Lags:
    """Return the lags of each round, by system and number of waiters; systems alternate within each round."""
    lags: Lags = {(system.name, count): [] for count in counts for system in systems}
    for count in counts:
        for _ in range(min(rounds, _ROUNDS_OF_MANY) if count > _MANY else rounds):
            for system in systems:
                with Waiters(system.ports, count) as waiters:
                    lags[system.name, count].append(held_round(system, waiters))
    return lags


def add_to(report: Report, lags: Lags, where: str, *, compared_at: Sequence[int] = ()) -> None:
    """Add a table to the report, and ratios to the limit for these numbers of waiters."""
    report.tables.append(
        Table(
            f"Lag of the waiters on {where}, milliseconds",
            ["waiters, system", "rounds", "p50", "p99", "of the limit's p50", "of the limit's p99"],
            list(_rows(lags)),
            _NOTE,
        )
    )
    for count in compared_at:
        for percent in (50, 99):
            ours, limit = (median_of(lags[name, count], percent) for name in ("prewmanager", "limit"))
            what = f"lag p{percent}, {count} waiters on {where}: of the limit's {limit:.0f} ms"
            report.figures.append(Figure(what, ours / limit, "times"))


def _rows(lags: Lags) -> Iterator[list[str | int | float]]:
    for (name, count), rounds in lags.items():
        figures = [median_of(rounds, percent) for percent in (50, 99)]
        limits = [median_of(lags["limit", count], percent) for percent in (50, 99)]
        ratios = [figure / limit for figure, limit in zip(figures, limits, strict=True)]
        yield [f"{count} {name}", len(rounds), *figures, *ratios]


def series(lags: Lags) -> dict[str, list[tuple[float, float]]]:
    """Return points (waiters, milliseconds) for a plot, p50 and p99 of each system."""
    drawn: dict[str, list[tuple[float, float]]] = {}
    for (name, count), rounds in lags.items():
        for percent in (50, 99):
            drawn.setdefault(f"{name} p{percent}", []).append((count, median_of(rounds, percent)))
    return drawn
