"""Memory at rest: an idle service, and a sandbox that waits for its next event."""

from __future__ import annotations

from benchmarks.parts import Replica
from benchmarks.processes import Memory, memory
from benchmarks.report import Cell, Figure, Report, Table
from devstack.lambda_server import Lambda

SERVICE_TARGET_MB = 90
SANDBOX_TARGET_MB = 150


def of_service(service: Replica) -> Memory:
    """Memory of a replica now."""
    return memory(service.program.pid)


def of_sandbox(function: Lambda) -> Memory:
    """Memory of the warm sandbox now."""
    (pid,) = function.stats()["sandboxes"]
    return memory(pid)


def add_to(report: Report, measured: dict[str, Memory]) -> None:
    """Add the figures to the report; their names begin with the program."""
    rows: list[list[Cell]] = [[name, each.rss_mb, each.pss_mb] for name, each in measured.items()]
    report.tables.append(Table("Memory at rest, MB", ["process", "RSS", "PSS"], rows))
    for name, each in measured.items():
        target = SANDBOX_TARGET_MB if name.startswith("sandbox") else SERVICE_TARGET_MB
        report.figures.append(Figure(f"resident memory: {name}", each.rss_mb, "MB", target))
