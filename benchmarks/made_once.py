"""How often a preview is rendered in a burst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.report import Cell, Figure, Report, Table
from benchmarks.rounds import check, new_photo
from benchmarks.systems import System, path_of
from benchmarks.waiters import Waiters

WAITERS = 600
# The function takes longer than all requests need to arrive, so that none of them finds the preview stored.
_DELAY_MS = 300


def measure(systems: Sequence[System], rounds: dict[str, int]) -> dict[str, Counter[int]]:
    """Count rounds by their number of invocations, for each system; `rounds` is the number of rounds by system."""
    seen: dict[str, Counter[int]] = {system.name: Counter() for system in systems}
    for number in range(max(rounds.values())):
        for system in systems:
            if number < rounds[system.name]:
                seen[system.name][_round(system)] += 1
    return seen


def _round(system: System) -> int:
    if system.gate is None:
        raise ValueError(f"{system.name} invokes nothing")
    photo = new_photo()
    with Waiters(system.ports, WAITERS) as waiters:
        system.gate.set(is_open=True, delay_ms=_DELAY_MS)
        waiters.ask(path_of(photo))
        waiters.collect()
        check(system, waiters)
    return system.gate.invocations(photo)


def add_to(report: Report, seen: dict[str, Counter[int]], replicas: int) -> None:
    """Add the figures to the report."""
    rows: list[list[Cell]] = [
        [name, counts.total(), counts[1], min(counts), max(counts), sum(n * m for n, m in counts.items())]
        for name, counts in seen.items()
    ]
    columns = ["system", "rounds", "made once", "fewest", "most", "invocations in all"]
    title = f"Invocations for one preview, {WAITERS} requests on {replicas} replicas at the same moment"
    report.tables.append(Table(title, columns, rows))
    ours = seen["prewmanager"]
    what = f"rounds of {ours.total()} in which {WAITERS} requests at once made one invocation"
    report.figures.append(Figure(what, ours[1], "", ours.total(), "at least"))
