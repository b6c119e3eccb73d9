"""The memory that a replica needs for each waiting request."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.processes import memory
from benchmarks.report import Cell, Figure, Report, Table
from benchmarks.rounds import check, held_round, new_photo
from benchmarks.systems import System, path_of
from benchmarks.waiters import Waiters

TARGET = 1.5


def measure(systems: Sequence[System], count: int) -> dict[str, float]:
    """Return the resident KB (1000 bytes) that each of `count` waiters adds, by system, on one fresh replica."""
    return {system.name: _per_waiter(system, count) for system in systems}


def _per_waiter(system: System, count: int) -> float:
    pid = system.replicas[0].program.pid
    with Waiters(system.ports, 1) as waiters:
        held_round(system, waiters)  # the memory that the first request needs is not the waiters'
    before = memory(pid).rss_mb
    with Waiters(system.ports, count) as waiters:
        system.hold()
        waiters.ask(path_of(new_photo()))
        waiters.until_held()
        time.sleep(0.5)
        held = memory(pid).rss_mb
        system.release()
        waiters.collect()
        check(system, waiters)
    return (held - before) * 1000 / count


def add_to(report: Report, kilobytes: dict[str, float], count: int) -> None:
    """Add the figures to the report."""
    rows: list[list[Cell]] = [[name, value, value / kilobytes["limit"]] for name, value in kilobytes.items()]
    report.tables.append(Table(f"Memory of one of {count} held waiters", ["system", "KB each", "of the limit's"], rows))
    what = f"memory of a held waiter, {count} on one replica: of the limit's"
    report.figures.append(Figure(what, kilobytes["prewmanager"] / kilobytes["limit"], "times", TARGET))
