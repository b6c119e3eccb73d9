"""`make bench-far`: the time of a miss where S3 is as far away as a real one, and what S3 is asked for it.

Each S3 is a near one behind `devstack.far_s3`. The serial trips of a miss are how many of S3's answers wait for one
another: the time that the distance adds, divided by the distance.
"""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import misses, photos, plots
from benchmarks.parts import Parts, running_parts
from benchmarks.percentiles import percentile
from benchmarks.report import Cell, Figure, Report, Table
from benchmarks.results import results_folder
from benchmarks.systems import path_of
from devstack.backends import S3
from devstack.far_s3 import COUNTS, Distance
from tests.support.site import nginx_variables

_DELAYS_MS = (0, 15, 40, 400)
_SYSTEMS = {"Lambda": {}, "worker processes": {"PREW_LAMBDA_FUNCTION": "", "PREW_RESIZE_WORKERS": "1"}}
# Half the width and height of each photo: 0.3, 2.4 and 8 MB, and the photo of the other benchmarks.
_PHOTOS = {"small": (700, 570), "standard": (1362, 1112), "medium": (2100, 1713), "large": (3900, 3183)}
_WARM_UP = 3  # the function says what it can, and the store that it shows at once what it has
_TRIPS_TARGET = 3.2  # nginx asks, photo and preview come, the preview is written


@dataclass
class Measured:
    """The misses of one system with one photo at one distance, and the requests that S3 got for each."""

    ms: list[float]
    requests: Counter[str]

    @property
    def median_ms(self) -> float:
        """Milliseconds."""
        return percentile(self.ms, 50)


Key = tuple[str, str, int]


def main(quick: Annotated[bool, typer.Option("--quick", help="into .local/benchmarks")] = False) -> None:
    """Measure both systems at all distances, print the tables, write them and the plot."""
    count = 3 if quick else 9
    report, folder, console = Report("far", "A miss where S3 is far away"), results_folder(quick=quick), Console()
    by_name = {name: photos.jpeg(*size) for name, size in _PHOTOS.items()}
    results: dict[Key, Measured] = {}
    for delay_ms in _DELAYS_MS:
        with running_parts() as parts:
            results |= dict(_at(parts, delay_ms, by_name, count))
    _add_to(report, results, by_name, count)
    standard = {
        f"{system}, {delay_ms} ms": results[system, "standard", delay_ms].median_ms
        for system in _SYSTEMS
        for delay_ms in _DELAYS_MS
    }
    plots.bars(folder / "far.svg", "A miss of the standard photo, by S3's distance", "milliseconds, median", standard)
    report.plots.append("far.svg")
    report.print_on(console)
    report.write(folder)


def _at(parts: Parts, delay_ms: int, by_name: dict[str, bytes], count: int) -> Iterator[tuple[Key, Measured]]:
    """Measure at one distance, the systems in turn."""
    s3 = parts.s3()
    far = parts.far_s3(s3, Distance(delay_ms / 1000))
    redis, (function, _) = parts.redis(), parts.function(far)
    ports = {}
    for system, settings in _SYSTEMS.items():
        replica = parts.service(redis, far, function.url, **settings)
        ports[system] = parts.nginx(nginx_variables(far, [replica.port])).port
    for system, port in ports.items():
        _misses(s3, port, f"warm-up {system}", by_name["small"], _WARM_UP)
    for name, photo in by_name.items():
        for system, port in ports.items():
            before = _asked(far)
            ms = _misses(s3, port, f"{name} {system}", photo, count)
            yield (system, name, delay_ms), Measured(ms, _asked(far) - before)


def _misses(s3: S3, port: int, run: str, photo: bytes, count: int) -> list[float]:
    names = [f"{run.replace(' ', '-')}-{number}.jpg" for number in range(count)]
    photos.store(s3, photo, names)
    return [miss.wall_ms for miss in misses.ask(port, map(path_of, names))]


def _asked(far: S3) -> Counter[str]:
    with urllib.request.urlopen(f"{far.endpoint}{COUNTS}") as response:  # noqa: S310 -- on loopback
        asked = json.load(response)
    return Counter({f"{method} {part}": times for method, parts in asked.items() for part, times in parts.items()})


def _add_to(report: Report, results: dict[Key, Measured], by_name: dict[str, bytes], count: int) -> None:
    rows: list[list[Cell]] = []
    for (system, name, delay_ms), measured in results.items():
        near_ms = results[system, name, 0].median_ms
        trips = (measured.median_ms - near_ms) / delay_ms if delay_ms else None
        asked = ", ".join(f"{what}: {times / count:g}" for what, times in sorted(measured.requests.items()))
        p95 = percentile(measured.ms, 95)
        size = f"{len(by_name[name]) / 1e6:.1f} MB"
        rows.append([f"{system}, {delay_ms} ms, {size}", measured.median_ms, p95, trips, asked])
        if name == "standard" and delay_ms == max(_DELAYS_MS) and trips is not None:
            what = f"{system}: answers of S3 that wait for one another, written first, S3 {delay_ms} ms away"
            report.figures.append(Figure(what, trips, "", _TRIPS_TARGET))
    columns = ["system, distance, photo", "p50 ms", "p95 ms", "serial trips", "requests to S3 for a miss"]
    note = "Warm, one after the other, through nginx; 720 wide; encoder settings are the presets' defaults."
    report.tables.append(Table(f"{count} misses each", columns, rows, note))


if __name__ == "__main__":
    typer.run(main)
