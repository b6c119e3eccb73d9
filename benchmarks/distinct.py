"""Distinct misses beside imgproxy: ours on the whole road, with Lambda's sandboxes or worker processes, and stored.

`python -m benchmarks.distinct --imgproxy PATH`; imgproxy has to be built, on the same libvips for a fair comparison. It
renders alike, stores nothing, and is asked without an nginx in between.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import photos
from benchmarks.images.photo import landscape
from benchmarks.misses import ask_at_once
from benchmarks.parts import Parts, running_parts
from benchmarks.processes import children, cpu_seconds
from benchmarks.report import Cell, Figure, Report, Table
from benchmarks.rounds import new_photo
from benchmarks.systems import path_of
from devstack.backends import S3
from devstack.programs import LOOPBACK, free_ports
from tests.support.site import nginx_variables

_CONNECTIONS = (1, 4, 16)
_MOST_CONNECTIONS = max(_CONNECTIONS)
_SANDBOXES = max(4, 2 * (os.cpu_count() or 1))
_WARM_UP = 4 * _SANDBOXES
_LAMBDA, _WORKERS, _IMGPROXY = "Lambda", "worker processes", "imgproxy"
_LEAST_RATE, _MOST_CPU = 0.97, 1.0  # of imgproxy's
_PINNED = {"PREW_PRESETS__CARD__FORMAT": "jpeg", "PREW_PRESETS__CARD__QUALITY": "80", "VIPS_CONCURRENCY": "1"}


@dataclass(frozen=True)
class _System:
    """What answers at `port`; `pids` returns its processes of now, `path` a photo's preview."""

    name: str
    port: int
    pids: Callable[[], list[int]]
    path: Callable[[str], str]
    sign: str


@dataclass(frozen=True)
class _Round:
    """The median wall milliseconds of a miss, photos a second, and CPU milliseconds for each."""

    wall_ms: float
    rate: float
    cpu_ms: float


def _with_lambda(parts: Parts, s3: S3) -> _System:
    function, _ = parts.function(s3, _SANDBOXES, VIPS_CONCURRENCY="1", MALLOC_ARENA_MAX="2")
    replica = parts.service(parts.redis(), s3, function.url, PREW_MAX_INVOCATIONS=str(_SANDBOXES), **_PINNED)
    nginx = parts.nginx(nginx_variables(s3, [replica.port]))

    def pids() -> list[int]:
        ours = [function.program.pid, replica.program.pid, *function.stats()["sandboxes"]]
        return [*ours, *children(nginx.program.pid)]

    return _System(_LAMBDA, nginx.port, pids, path_of, "\r\nX-Preview: made")


def _with_workers(parts: Parts, s3: S3) -> _System:
    workers = {"PREW_LAMBDA_FUNCTION": "", "PREW_RESIZE_WORKERS": str(os.cpu_count() or 1)}
    replica = parts.service(parts.redis(), s3, "", **workers, **_PINNED)
    nginx = parts.nginx(nginx_variables(s3, [replica.port]))

    def pids() -> list[int]:
        return [replica.program.pid, *children(replica.program.pid), *children(nginx.program.pid)]

    return _System(_WORKERS, nginx.port, pids, path_of, "\r\nX-Preview: made")


def _imgproxy(parts: Parts, s3: S3, binary: Path, libraries: str) -> _System:
    (port,) = free_ports(1)
    environment = {
        "IMGPROXY_BIND": f"{LOOPBACK}:{port}",
        "IMGPROXY_USE_S3": "true",
        "IMGPROXY_S3_ENDPOINT": s3.endpoint,
        "IMGPROXY_S3_REGION": s3.region,
        "IMGPROXY_QUALITY": "80",
        "IMGPROXY_ALLOW_LOOPBACK_SOURCE_ADDRESSES": "true",
        "IMGPROXY_LOG_LEVEL": "warn",
        "LD_LIBRARY_PATH": libraries,
        "MALLOC_ARENA_MAX": "2",
        **s3.aws_environment(),
    }
    server = parts.program(_IMGPROXY, [str(binary)], port, **environment)

    def path(name: str) -> str:
        return f"/insecure/rs:fit:720:0/plain/s3://{s3.bucket}/photo/{name}@jpg"

    return _System(_IMGPROXY, port, lambda: [server.program.pid], path, "\r\nContent-Type: image/jpeg")


def _measured(system: _System, s3: S3, photo: bytes, connections: int, count: int) -> _Round:
    names = [new_photo() for _ in range(count)]
    photos.store(s3, photo, names)
    before, began = _cpu(system), time.monotonic()
    made = ask_at_once(system.port, [system.path(name) for name in names], connections, system.sign)
    took, spent = time.monotonic() - began, _cpu(system) - before
    return _Round(statistics.median(miss.wall_ms for miss in made), count / took, spent * 1000 / count)


def _cpu(system: _System) -> float:
    return sum(map(cpu_seconds, system.pids()))


def _rounds(systems: list[_System], s3: S3, photo: bytes, count: int, rounds: int) -> Iterator[tuple[int, str, _Round]]:
    """Return the medians of all rounds, in which the systems alternate, by connections and system."""
    for connections in _CONNECTIONS:
        measured: dict[str, list[_Round]] = {each.name: [] for each in systems}
        for _ in range(rounds):
            for system in systems:
                measured[system.name].append(_measured(system, s3, photo, connections, count))
        for name, each in measured.items():
            columns = zip(*((one.wall_ms, one.rate, one.cpu_ms) for one in each), strict=True)
            yield connections, name, _Round(*map(statistics.median, columns))


def main(
    imgproxy: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="the binary")],
    libraries: Annotated[str, typer.Option(help="where it finds its libraries: LD_LIBRARY_PATH")] = "",
    count: Annotated[int, typer.Option(help="misses of a round")] = 64,
    rounds: Annotated[int, typer.Option(help="rounds; the systems alternate")] = 5,
) -> None:
    """Measure and print."""
    with running_parts() as parts, tempfile.TemporaryDirectory() as folder:
        s3, photo = parts.s3(), landscape(Path(folder)).read_bytes()
        systems = [_with_lambda(parts, s3), _with_workers(parts, s3), _imgproxy(parts, s3, imgproxy, libraries)]
        for system in systems:
            _measured(system, s3, photo, _SANDBOXES, _WARM_UP)
        results = {(connections, name): each for connections, name, each in _rounds(systems, s3, photo, count, rounds)}
    report = Report("distinct", "Distinct misses")
    rows: list[list[Cell]] = [
        [f"{connections}, {name}", each.wall_ms, each.rate, each.cpu_ms]
        for (connections, name), each in results.items()
    ]
    title = f"{_SANDBOXES} sandboxes, {os.cpu_count()} cores, medians of {rounds} rounds of {count}"
    report.tables.append(Table(title, ["connections, system", "wall ms", "photos/s", "CPU ms each"], rows))
    other = results[_MOST_CONNECTIONS, _IMGPROXY]
    for name in (_LAMBDA, _WORKERS):
        ours = results[_MOST_CONNECTIONS, name]
        at = f"{name}, {_MOST_CONNECTIONS} connections"
        report.figures.append(Figure(f"{at}: imgproxy's photos/s / ours", other.rate / ours.rate, "", 1 / _LEAST_RATE))
        report.figures.append(Figure(f"{at}: CPU of a miss / imgproxy's", ours.cpu_ms / other.cpu_ms, "", _MOST_CPU))
    report.print_on(Console())


if __name__ == "__main__":
    typer.run(main)
