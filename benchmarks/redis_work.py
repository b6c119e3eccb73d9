"""The Redis commands of a flight, from the first request to the last answer."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.report import Cell, Figure, Report, Table
from benchmarks.rounds import held_round
from benchmarks.systems import Stage, System
from benchmarks.waiters import Waiters

TARGET_PER_REPLICA = 20
HELD_S = 1.0
Commands = dict[tuple[str, int], int]


def measure(stage: Stage, systems: Sequence[System], counts: Sequence[int]) -> Commands:
    """Return the commands of one flight, by system and number of waiters; it is held for `HELD_S` once all wait."""
    commands: Commands = {}
    for count in counts:
        for system in systems:
            with Waiters(system.ports, count) as waiters:
                before = stage.redis_commands()
                held_round(system, waiters, HELD_S)
                commands[system.name, count] = stage.redis_commands() - before
    return commands


def add_to(report: Report, commands: Commands, replicas: int) -> None:
    """Add the figures to the report."""
    rows: list[list[Cell]] = [[f"{count} {name}", value, value / replicas] for (name, count), value in commands.items()]
    title = f"Redis commands for one flight, held for {HELD_S:g} s after the last request, {replicas} replicas"
    report.tables.append(Table(title, ["waiters, system", "in all", "per replica"], rows))
    for (name, count), value in commands.items():
        if name == "prewmanager":
            what = f"Redis commands per replica for one flight, {count} waiters"
            report.figures.append(Figure(what, value / replicas, "", TARGET_PER_REPLICA))


def series(commands: Commands) -> dict[str, list[tuple[float, float]]]:
    """Return points (waiters, commands) for a plot."""
    drawn: dict[str, list[tuple[float, float]]] = {}
    for (name, count), value in commands.items():
        drawn.setdefault(name, []).append((count, value))
    return drawn
