"""`make bench-capacity`: what one miss costs each part, as inputs of `benchmarks.capacity`.

A miss is lonely: one request, one replica. CPU is the kernel's count of each process, without the load's own programs.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import misses, photos, redis_costs
from benchmarks.far_systems import asked, with_lambda
from benchmarks.images.photo import landscape
from benchmarks.parts import Parts, running_parts
from benchmarks.processes import children, cpu_seconds, raise_open_files
from benchmarks.report import Figure, Report
from benchmarks.results import results_folder
from benchmarks.rounds import new_photo
from benchmarks.sockets import traffic
from benchmarks.systems import Gate, path_of
from benchmarks.waiters import Waiters
from devstack.far_s3 import Distance
from tests.support.site import nginx_variables

_CONCURRENCY, _OPEN_FILES = 8, 4096
_DELAY_MS = 15
_WARM_UP = 3
_CHECKED_AFTER_S = 2.5  # after an answer, until S3 has been asked for what was written after it
# The ends of the figures' names, and the service's settings.
DESIGNS = {", written first": {"PREW_ANSWER_FIRST": "false"}, ", answered first": {}}


def cpu(parts: Parts, count: int, waiting: int) -> list[Figure]:
    """Measure misses through nginx with a function that answers at once, and requests that wait for one miss."""
    gate, s3 = Gate(parts.module("gated_lambda")), parts.s3()
    replica = parts.service(parts.redis(), s3, gate.server.url)
    nginx = parts.nginx(nginx_variables(s3, [replica.port]) | {"PREW_NGINX_WORKERS": "1"})

    def spent() -> tuple[float, float]:
        return cpu_seconds(replica.program.pid), sum(map(cpu_seconds, children(nginx.program.pid)))

    gate.set(is_open=True)
    for number in (10 * _CONCURRENCY, count):
        before = spent()
        misses.ask_at_once(nginx.port, [path_of(new_photo()) for _ in range(number)], _CONCURRENCY)
        after = spent()
    service_ms, nginx_ms = ((late - early) * 1e3 / count for early, late in zip(before, after, strict=True))
    gate.set(is_open=False)
    with Waiters([replica.port], waiting) as waiters:
        before = spent()
        waiters.ask(path_of(new_photo()))
        waiters.until_held()
        gate.set(is_open=True)
        waiters.collect()
    waiting_ms = (spent()[0] - before[0]) * 1e3 / waiting
    return [
        Figure("service: CPU of a miss through nginx", service_ms, "ms"),
        Figure("service: CPU of a request that waits", waiting_ms, "ms"),
        Figure("nginx: CPU of a miss", nginx_ms * 1e3, "µs"),
    ]


def function(parts: Parts, count: int, suffix: str, **settings: str) -> list[Figure]:
    """Measure the whole system with the photo of the other benchmarks, 15 ms away from S3; names end with `suffix`."""
    s3 = parts.s3()
    far = parts.far_s3(s3, Distance(_DELAY_MS / 1000))
    replica, emulator = with_lambda(parts, far, **settings)
    nginx = parts.nginx(nginx_variables(far, [replica.port]))
    with tempfile.TemporaryDirectory() as folder:
        photo = landscape(Path(folder)).read_bytes()
    names = [new_photo() for _ in range(_WARM_UP + count)]
    photos.store(s3, photo, names)
    misses.ask(nginx.port, map(path_of, names[:_WARM_UP]))
    time.sleep(_CHECKED_AFTER_S)
    requests, bytes_before = asked(far), traffic([replica.program.pid])
    made = misses.ask(nginx.port, map(path_of, names[_WARM_UP:]))
    time.sleep(_CHECKED_AFTER_S)
    network, requests = traffic([replica.program.pid]) - bytes_before, asked(far) - requests
    duration_ms = statistics.median(each["duration_ms"] for each in emulator.stats()["recent"][-count:])
    where = f"S3 {_DELAY_MS} ms away"
    figures = {
        f"function: busy for a preview, {where}": (duration_ms, "ms"),
        f"a miss through nginx, {where}": (statistics.median(miss.wall_ms for miss in made), "ms"),
        "photo": (len(photo) / 1000, "KB"),
        "preview": (statistics.median(miss.size for miss in made) / 1000, "KB"),
        "service: received for a miss": (network.received / count / 1000, "KB"),
        "service: sent for a miss": (network.sent / count / 1000, "KB"),
    }
    figures |= {f"S3: {what} for a miss": (round(each / count), "") for what, each in _by_kind(requests).items()}
    return [Figure(what + suffix, value, unit) for what, (value, unit) in figures.items()]


def _by_kind(requests: Counter[str]) -> dict[str, int]:
    return {
        "reads below the previews' prefix": requests["GET prew"] + requests["HEAD prew"],
        "reads below the photos' prefix": requests["GET photo"] + requests["HEAD photo"],
        "writes": requests["PUT prew"],
    }


def main(quick: Annotated[bool, typer.Option("--quick", help="into .local/benchmarks")] = False) -> None:
    """Measure, print and write the unit costs."""
    raise_open_files(_OPEN_FILES)
    report = Report("unit-costs", "What one miss costs each part")
    with running_parts() as parts:
        report.figures += redis_costs.flights(parts.redis(), 1000 if quick else 4000)
        report.figures += redis_costs.alone(parts.redis(), 500 if quick else 3000)
    with running_parts() as parts:
        report.figures += cpu(parts, 500 if quick else 2000, 1000)
    for suffix, settings in DESIGNS.items():
        with running_parts() as parts:
            report.figures += function(parts, 10 if quick else 30, suffix, **settings)
    report.print_on(Console())
    report.write(results_folder(quick=quick))


if __name__ == "__main__":
    typer.run(main)
