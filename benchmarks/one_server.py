"""Memory, latency and throughput of one server without AWS: `python -m benchmarks.one_server`.

Runs the units of examples/one-server as tests/one_server does. Memory is PSS, which counts shared pages once, summed
over all processes of a unit.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from rich.console import Console

from benchmarks.existing_previews import wrk
from benchmarks.processes import children, memory
from benchmarks.report import Cell, Figure, Report, Table
from devstack.one_server import OneServer, running_one_server
from devstack.programs import LOOPBACK
from devstack.samples.catalogue import enlarged

MISSES = 50
SECONDS = 10
_PER_SECOND = re.compile(r"Requests/sec:\s+([\d.]+)")
_RESULTS = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"


def pss_mb(pid: int) -> float:
    """Return the memory of a process and its descendants, in MB."""
    return memory(pid).pss_mb + sum(map(pss_mb, children(pid)))


def by_unit(server: OneServer) -> dict[str, float]:
    """Return the memory of each unit now, in MB."""
    return {name: pss_mb(program.pid) for name, program in server.programs.items()}


def misses_ms(server: OneServer, photo: Path) -> list[float]:
    """Return the time of each of `MISSES` successive requests for missing previews, through nginx."""
    times = []
    for number in range(MISSES + 2):
        key = f"{number}.jpg"
        server.run(
            f"cp '{photo}' {photo.parent}/{key}; /opt/prewmanager/.venv/bin/weed filer.copy "
            f"{photo.parent}/{key} http://127.0.0.1:8888/buckets/photos/photo/"
        )
        started = time.perf_counter()
        with urlopen(f"http://{LOOPBACK}:{server.port}/prew/card/{key}") as answer:
            answer.read()
        times.append((time.perf_counter() - started) * 1000)
        if answer.headers["X-Preview"] != "made":
            raise SystemExit(f"{key} was not made for this request")
    # The first render of each worker starts its process.
    return times[2:]


def hits_per_second(server: OneServer) -> float:
    """Return requests per second for one existing preview, on 32 connections, through nginx and S3."""
    url = f"http://{LOOPBACK}:{server.port}/prew/card/0.jpg"
    output = subprocess.run([wrk(), "-t1", "-c32", f"-d{SECONDS}s", url], capture_output=True, text=True, check=True)
    found = _PER_SECOND.search(output.stdout)
    if found is None or "Non-2xx" in output.stdout:
        raise SystemExit(output.stdout)
    return float(found[1])


def main() -> None:
    """Run everything, print and write the tables."""
    with TemporaryDirectory() as folder, running_one_server(Path(folder)) as server:
        server.run("until curl -fs -X POST http://127.0.0.1:8888/buckets/photos/; do sleep 0.2; done")
        idle = by_unit(server)
        photo = Path(folder) / "photo.jpg"
        enlarged("day", 1362, 1112, 2)(photo)
        times = misses_ms(server, photo)
        hits = hits_per_second(server)
        after = by_unit(server)
    report = Report("one-server", "One server without AWS")
    report.figures += [
        Figure("memory of all parts, idle since their start", sum(idle.values()), "MB"),
        Figure(f"memory of all parts after {MISSES} misses and {SECONDS} s of hits", sum(after.values()), "MB"),
        Figure("a miss (a JPEG of 2724 by 2224 pixels, 720 wide), median", statistics.median(times), "ms"),
        Figure("a miss, slowest", max(times), "ms"),
        Figure("a preview that exists", hits, "requests/s"),
    ]
    rows: list[list[Cell]] = [[f"prewmanager-{name}", idle[name], after[name]] for name in idle]
    report.tables.append(Table("Memory by unit, PSS in MB", ["unit", "idle", "after"], rows))
    report.print_on(Console())
    report.write(_RESULTS)


if __name__ == "__main__":
    main()
