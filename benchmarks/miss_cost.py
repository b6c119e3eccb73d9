"""The service's overhead: CPU time and wall time of a miss, compared with a bare invocation."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field

from benchmarks.misses import Miss, ask_at_once
from benchmarks.parts import ROOT, plain_environment
from benchmarks.processes import cpu_seconds
from benchmarks.report import Figure, Report, Table
from benchmarks.rounds import new_photo
from benchmarks.systems import Stage, path_of
from devstack.backends import ACCESS_KEY, SECRET_KEY

CPU_TARGET = 2.0
WALL_TARGET_MS = 3.0
_WARM_UP = 50


@dataclass
class Cost:
    """Costs at one concurrency, by round: CPU milliseconds per miss, and median wall milliseconds."""

    cpu_ms: dict[str, list[float]] = field(default_factory=lambda: {"prewmanager": [], "invocation": []})
    wall_ms: dict[str, list[float]] = field(default_factory=lambda: {"prewmanager": [], "invocation": []})
    misses: list[Miss] = field(default_factory=list)


def measure(stage: Stage, *, count: int, rounds: int) -> dict[int, Cost]:
    """Return costs by concurrency (1 and 8) of `count` distinct misses a round, alternating with bare invocations."""
    replica = stage.prewmanager(1).replicas[0]
    stage.gate.set(is_open=True)
    _service_round(Cost(), replica.port, replica.program.pid, _WARM_UP, 1)
    costs = {1: Cost(), 8: Cost()}
    for _ in range(rounds):
        for concurrency, cost in costs.items():
            _service_round(cost, replica.port, replica.program.pid, count, concurrency)
            _raw_round(cost, stage.gate.server.url, count, concurrency)
    return costs


def _service_round(cost: Cost, port: int, pid: int, count: int, concurrency: int) -> None:
    paths = [path_of(new_photo()) for _ in range(count)]
    before = cpu_seconds(pid)
    misses = ask_at_once(port, paths, concurrency)
    cost.cpu_ms["prewmanager"].append((cpu_seconds(pid) - before) * 1000 / count)
    cost.wall_ms["prewmanager"].append(statistics.median(miss.wall_ms for miss in misses))
    cost.misses += misses


def _raw_round(cost: Cost, lambda_url: str, count: int, concurrency: int) -> None:
    options = (f"--lambda-url={lambda_url}", f"--count={count}", f"--concurrency={concurrency}")
    credentials = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    argv = [sys.executable, "-m", "benchmarks.raw_invokes", *options]
    done = subprocess.run(argv, cwd=ROOT, env=plain_environment() | credentials, capture_output=True, check=True)
    measured = json.loads(done.stdout)
    cost.cpu_ms["invocation"].append(measured["cpu_ms"] / count)
    cost.wall_ms["invocation"].append(statistics.median(measured["wall_ms"]))


def add_to(report: Report, costs: dict[int, Cost]) -> None:
    """Add the figures to the report."""
    rows: list[list[str | float]] = []
    for concurrency, cost in costs.items():
        cpu, wall = (
            {name: statistics.median(values) for name, values in each.items()} for each in (cost.cpu_ms, cost.wall_ms)
        )
        rows += [[f"{concurrency} {name}", cpu[name], wall[name]] for name in cpu]
        ratio = cpu["prewmanager"] / cpu["invocation"]
        what = f"CPU of a miss at concurrency {concurrency}: of a bare invocation's"
        report.figures.append(Figure(what, ratio, "times", CPU_TARGET))
        if concurrency == 1:
            added = wall["prewmanager"] - wall["invocation"]
            what = "wall time that the service adds to an invocation, concurrency 1"
            report.figures.append(Figure(what, added, "ms", WALL_TARGET_MS))
    columns = ["concurrency, who", "CPU ms each", "wall ms each"]
    report.tables.append(Table("A miss, and the bare invocation", columns, rows))
    report.tables.append(_parts(costs[1].misses))


def _parts(misses: list[Miss]) -> Table:
    names = misses[0].server_timing_ms
    rows: list[list[str | float]] = [
        [name, statistics.median(miss.server_timing_ms[name] for miss in misses)] for name in names
    ]
    rest = statistics.median(miss.wall_ms - sum(miss.server_timing_ms.values()) for miss in misses)
    title = "Parts of a miss at concurrency 1, as Server-Timing names them, milliseconds"
    return Table(title, ["part", "p50"], [*rows, ["rest: HTTP, and the result to Redis", rest]])


def bars(costs: dict[int, Cost]) -> dict[str, float]:
    """Return CPU milliseconds by name, for a plot."""
    return {
        f"{name}, {concurrency} at once": statistics.median(values)
        for concurrency, cost in costs.items()
        for name, values in cost.cpu_ms.items()
    }
