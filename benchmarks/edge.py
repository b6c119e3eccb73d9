"""The edge resizer's miss against the same on Node and sharp: cold and warm, by part, for photos of all sizes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console

from benchmarks import node, plots
from benchmarks.images.photo import of_megapixels
from benchmarks.parts import ROOT, plain_environment
from benchmarks.report import Figure, Report, Table
from benchmarks.results import results_folder

OURS, NODE = "prewmanager", "Node and sharp"
PARTS = ("fetch", "render", "total")
_MEGAPIXELS = (0.3, 1, 3, 6, 12, 24)
_NOTE = (
    "1200 x 627, contain on white, JPEG; the photo's host is on this machine. The programs alternate. Cold is from the "
    "start of the process to its end, after one answer; warm, one event after the other. `fetch` is the request for "
    "the photo, `render` decodes, scales and encodes it, `total` has base64 and JSON as well."
)


@dataclass(frozen=True)
class Measured:
    """Milliseconds of one program with one photo: warm by part, and cold."""

    warm: Mapping[str, float]
    cold: float


def main(quick: Annotated[bool, typer.Option("--quick", help="half a minute, into .local/benchmarks")] = False) -> None:
    """Measure, print the tables, write them and the plot."""
    folder, console = results_folder(quick=quick), Console()
    if not node.packages(console):
        raise SystemExit("Node and sharp are what this compares with")
    work = ROOT / ".local" / "edge"
    work.mkdir(parents=True, exist_ok=True)
    sizes = (0.3, 24) if quick else _MEGAPIXELS
    rounds, starts = (5, 3) if quick else (15, 7)
    photos = {size: of_megapixels(work, size, "jpeg") for size in sizes}
    report = Report("edge", "A miss at the edge")
    with _serving(work) as host:
        found = {size: _measure(_event(host, photo), host, rounds, starts) for size, photo in photos.items()}
    _add(report, folder, found, photos)
    report.print_on(console)
    report.write(folder)


def _measure(event: str, host: str, rounds: int, starts: int) -> dict[str, Measured]:
    commands = {
        OURS: [sys.executable, "-m", "benchmarks.images.workers.edge", host],
        NODE: node.command(ROOT / "benchmarks" / "node" / "edge.mjs"),
    }
    cold: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(starts + 1):
        for name, argv in commands.items():
            milliseconds = _cold(argv, event)
            if number:  # the first run of each reads its files from disk
                cold[name].append(milliseconds)
    warm = _warm(commands, event, rounds)
    return {name: Measured(warm[name], statistics.median(cold[name])) for name in commands}


def _cold(argv: Sequence[str], event: str) -> float:
    start = time.perf_counter()
    subprocess.run(argv, input=event, text=True, cwd=ROOT, env=plain_environment(), check=True, capture_output=True)
    return (time.perf_counter() - start) * 1000


def _warm(commands: Mapping[str, Sequence[str]], event: str, rounds: int) -> dict[str, dict[str, float]]:
    times: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    with ExitStack() as exits:
        workers = {name: exits.enter_context(_worker(argv)) for name, argv in commands.items()}
        for number in range(rounds + 2):
            for name, worker in workers.items():
                measured = _asked(worker, event)
                if number > 1:  # until all code has run
                    times[name].append(measured)
    return {
        name: {part: statistics.median(each[part] for each in all_) for part in PARTS} for name, all_ in times.items()
    }


@contextmanager
def _worker(argv: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, text=True, cwd=ROOT, env=plain_environment(), **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def _asked(worker: subprocess.Popen[str], event: str) -> dict[str, float]:
    if worker.stdin is None or worker.stdout is None:
        raise SystemExit("a worker has no pipes")
    worker.stdin.write(event)
    worker.stdin.flush()
    measured: dict[str, float] = json.loads(worker.stdout.readline())
    return measured


def _event(host: str, photo: Path) -> str:
    """Return an origin-response event, as a line."""
    cf = {
        "config": {"distributionDomainName": "d111111abcdef8.cloudfront.net", "eventType": "origin-response"},
        "request": {
            "method": "GET",
            "uri": "/none.jpg",
            "querystring": f"s={quote(f'http://{host}/{photo.name}', safe='')}",
            "headers": {},
        },
        "response": {"status": "404", "statusDescription": "Not Found", "headers": {}},
    }
    return json.dumps({"Records": [{"cf": cf}]}) + "\n"


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Serve the photos; the host is a name that every program resolves to this machine."""

    class Handler(SimpleHTTPRequestHandler):
        """The folder's files, without a log."""

        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(folder))

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"photos.localhost:{server.server_address[1]}"
        server.shutdown()


def _add(
    report: Report, folder: Path, found: Mapping[float, Mapping[str, Measured]], photos: Mapping[float, Path]
) -> None:
    rows: list[list[str | float]] = []
    for size, by_name in found.items():
        for name, each in by_name.items():
            file_mb = photos[size].stat().st_size / 1e6
            rows.append([f"{size:g} megapixels, {name}", file_mb, *(each.warm[part] for part in PARTS), each.cold])
        ours, theirs = by_name[OURS], by_name[NODE]
        for what, ratio in (("warm", ours.warm["total"] / theirs.warm["total"]), ("cold", ours.cold / theirs.cold)):
            report.figures.append(
                Figure(f"{what}, {size:g} megapixels: of Node's and sharp's time", ratio, "times", 1.0)
            )
    columns = ["photo, program", "file MB", "fetch", "render", "total", "cold"]
    report.tables.append(Table("A miss by part, milliseconds, medians", columns, rows, _NOTE))
    series = {}
    for name in (OURS, NODE):
        series[f"{name}, warm"] = [(size, by_name[name].warm["total"]) for size, by_name in found.items()]
        series[f"{name}, cold"] = [(size, by_name[name].cold) for size, by_name in found.items()]
    plots.lines(folder / "edge.svg", "A miss at the edge", ("megapixels of the photo", "milliseconds"), series)
    report.plots.append("edge.svg")


if __name__ == "__main__":
    typer.run(main)
