"""libvips' threads: distinct misses of the standard photo through nginx, with as many sandboxes as `make up` has."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import photos
from benchmarks.images.photo import landscape
from benchmarks.misses import ask_at_once
from benchmarks.parts import Parts, Replica, running_parts
from benchmarks.processes import cpu_seconds
from benchmarks.report import Report, Table
from benchmarks.rounds import new_photo
from benchmarks.systems import path_of
from devstack.backends import S3
from devstack.lambda_server import Lambda
from tests.support.site import nginx_variables

_CONNECTIONS = (1, 4, 16)
_SANDBOXES = max(4, 2 * (os.cpu_count() or 1))
_WARM_UP = 4 * _SANDBOXES


@dataclass(frozen=True)
class _System:
    """The whole road with so many threads of libvips in each sandbox."""

    threads: int
    s3: S3
    function: Lambda
    replica: Replica
    port: int

    def round(self, photo: bytes, connections: int, count: int) -> tuple[float, float, float]:
        """Return the median wall milliseconds of a miss, photos a second, and CPU milliseconds for each."""
        names = [new_photo() for _ in range(count)]
        photos.store(self.s3, photo, names)
        before, began = self._cpu(), time.monotonic()
        made = ask_at_once(self.port, [path_of(name) for name in names], connections)
        took, spent = time.monotonic() - began, self._cpu() - before
        return statistics.median(miss.wall_ms for miss in made), count / took, spent * 1000 / count

    def _cpu(self) -> float:
        pids = [*self.function.stats()["sandboxes"], self.function.program.pid, self.replica.program.pid]
        return sum(map(cpu_seconds, pids))


def _system(parts: Parts, s3: S3, threads: int) -> _System:
    function, _ = parts.function(s3, _SANDBOXES, VIPS_CONCURRENCY=str(threads), MALLOC_ARENA_MAX="2")
    replica = parts.service(parts.redis(), s3, function.url, PREW_MAX_INVOCATIONS=str(_SANDBOXES))
    return _System(threads, s3, function, replica, parts.nginx(nginx_variables(s3, [replica.port])).port)


def _rows(systems: list[_System], photo: bytes, count: int, rounds: int) -> Iterator[list[str | float]]:
    for connections in _CONNECTIONS:
        measured: dict[int, list[tuple[float, float, float]]] = {each.threads: [] for each in systems}
        for _ in range(rounds):
            for system in systems:
                measured[system.threads].append(system.round(photo, connections, count))
        for threads, each in measured.items():
            yield [f"{connections}, {threads}", *(statistics.median(column) for column in zip(*each, strict=True))]


def main(
    count: Annotated[int, typer.Option(help="misses of a round")] = 48,
    rounds: Annotated[int, typer.Option(help="rounds; the systems alternate")] = 5,
) -> None:
    """Measure and print."""
    with running_parts() as parts, tempfile.TemporaryDirectory() as folder:
        s3, photo = parts.s3(), landscape(Path(folder)).read_bytes()
        systems = [_system(parts, s3, threads) for threads in (1, 2)]
        for system in systems:
            system.round(photo, _SANDBOXES, _WARM_UP)
        columns = ["connections, threads", "wall ms", "photos/s", "CPU ms each"]
        title = f"Distinct misses, {_SANDBOXES} sandboxes, {os.cpu_count()} cores"
        report = Report("threads", "Threads of libvips")
        report.tables.append(Table(title, columns, list(_rows(systems, photo, count, rounds))))
        report.print_on(Console())


if __name__ == "__main__":
    typer.run(main)
