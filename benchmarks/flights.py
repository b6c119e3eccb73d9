"""Many waiters for one preview: compares prewmanager, the reference implementation and the physical limit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import lag, made_once, made_up_names, miss_cost, plots, redis_work, waiting_memory
from benchmarks.parts import running_parts
from benchmarks.processes import raise_open_files
from benchmarks.report import Report
from benchmarks.results import results_folder
from benchmarks.systems import REPLICAS, Stage

_OPEN_FILES = 7_000


@dataclass(frozen=True)
class _Size:
    """The size of a run."""

    waiters: tuple[int, ...]
    on_one: int
    rounds: int
    at_once: dict[str, int]
    commands: tuple[int, ...]
    misses: int
    made_up: int


_FULL = _Size((10, 60, 600, 2000, 5000), 5000, 5, {"prewmanager": 50, "reference": 10}, (60, 600, 6000), 100, 10_000)
_QUICK = _Size((10, 60, 600), 1000, 2, {"prewmanager": 5, "reference": 2}, (60, 600), 50, 1000)


def main(quick: Annotated[bool, typer.Option("--quick", help="a minute, into .local/benchmarks")] = False) -> None:
    """Run everything, print the tables, write them and the plots."""
    raise_open_files(_OPEN_FILES)
    size, folder, console = _QUICK if quick else _FULL, results_folder(quick=quick), Console()
    report = Report("flights", "Many waiters for one preview")
    with running_parts() as parts:
        _one_at_a_time(Stage(parts), size, report, folder, console)
    with running_parts() as parts:
        _many(Stage(parts), size, report, folder, console)
    with running_parts() as parts:
        console.print("made-up names")
        made_up_names.add_to(report, *made_up_names.measure(parts, size.made_up))
    report.print_on(console)
    report.write(folder)


def _one_at_a_time(stage: Stage, size: _Size, report: Report, folder: Path, console: Console) -> None:
    """Measured alone: other replicas would be notified of each completed flight, on the same cores."""
    console.print("the cost of a miss")
    costs = miss_cost.measure(stage, count=size.misses, rounds=size.rounds)
    miss_cost.add_to(report, costs)
    plots.bars(folder / "miss-cpu.svg", "CPU time of a miss", "milliseconds", miss_cost.bars(costs))
    report.plots.append("miss-cpu.svg")


def _many(stage: Stage, size: _Size, report: Report, folder: Path, console: Console) -> None:
    console.print("memory and lag on one replica")
    _on_one(stage, size, report, folder)
    systems = stage.all_three(REPLICAS)
    makers = [system for system in systems if system.gate]
    console.print("invocations when all arrive at once")
    made_once.add_to(report, made_once.measure(makers, size.at_once), REPLICAS)
    console.print("Redis commands")
    commands = redis_work.measure(stage, makers, size.commands)
    redis_work.add_to(report, commands, REPLICAS)
    console.print("lag on three replicas")
    lags = lag.measure(systems, size.waiters, size.rounds)
    lag.add_to(report, lags, f"{REPLICAS} replicas", compared_at=sorted({600, size.waiters[-1]}))
    labels = ("waiters on 3 replicas", "milliseconds")
    plots.lines(folder / "lag.svg", "From the answer's release to a waiter's last byte", labels, lag.series(lags))
    labels = ("waiters on 3 replicas", "commands in all")
    plots.lines(folder / "redis.svg", "Redis commands for one flight", labels, redis_work.series(commands))
    report.plots += ["lag.svg", "redis.svg"]


def _on_one(stage: Stage, size: _Size, report: Report, folder: Path) -> None:
    """Measured on fresh replicas, since memory is that of fresh processes."""
    systems = stage.all_three(1)
    kilobytes = waiting_memory.measure(systems, size.on_one)
    waiting_memory.add_to(report, kilobytes, size.on_one)
    lag.add_to(report, lag.measure(systems, [size.on_one], size.rounds), "one replica", compared_at=[size.on_one])
    plots.bars(folder / "waiter-memory.svg", f"Memory of one of {size.on_one} held waiters", "KB", kilobytes)
    report.plots.append("waiter-memory.svg")


if __name__ == "__main__":
    typer.run(main)
