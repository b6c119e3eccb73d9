"""`make bench-far`: a miss where S3 is as far away as a real one, what S3 is asked for it, a burst there, and efforts.

Each S3 is a near one behind `devstack.far_s3`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import arriving, bursts, effort_misses, far_misses, far_systems, photos, plots
from benchmarks.images.photo import landscape
from benchmarks.parts import running_parts
from benchmarks.processes import raise_open_files
from benchmarks.report import Report
from benchmarks.results import results_folder

# Half the width and height of each photo: 0.3, 2.4 and 8 MB.
_SIZES = {"small": (700, 570), "medium": (2100, 1713), "large": (3900, 3183)}
_OPEN_FILES = 4096


def main(quick: Annotated[bool, typer.Option("--quick", help="into .local/benchmarks")] = False) -> None:
    """Measure all systems at all distances and bursts, print the tables, write them and the plot."""
    raise_open_files(_OPEN_FILES)
    report, folder, console = Report("far", "A miss where S3 is far away"), results_folder(quick=quick), Console()
    systems, by_name = far_systems.present(console), _photos()
    results: far_misses.Results = {}
    for place in far_misses.PLACES:
        console.print(f"misses, S3 {place.name} away, load {os.getloadavg()[0]:.1f} over a minute")
        with running_parts() as parts:
            results |= far_misses.measure(parts, place, systems, by_name, quick=quick)
    far_misses.add_to(report, results, systems, by_name)
    measured: bursts.Results = {}
    for delay_ms in bursts.DELAYS_MS:
        console.print(f"bursts, S3 {delay_ms} ms away, load {os.getloadavg()[0]:.1f} over a minute")
        with running_parts() as parts:
            standard = by_name[far_misses.STANDARD]
            measured |= bursts.measure(parts, delay_ms, photo=standard, rounds=2 if quick else 5)
    bursts.add_to(report, measured)
    with running_parts() as parts:
        arriving.add_to(report, parts, (by_name["small"], by_name["large"]), 3 if quick else 9)
    with running_parts() as parts:
        effort_misses.add_to(report, parts, by_name[far_misses.STANDARD], 3 if quick else 25)
    title = "A miss of the standard photo, by S3's distance"
    plots.bars(folder / "far.svg", title, "milliseconds, median", far_misses.medians(results))
    report.plots.append("far.svg")
    report.print_on(console)
    report.write(folder)


def _photos() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        standard = landscape(Path(folder)).read_bytes()
    return {far_misses.STANDARD: standard} | {name: photos.jpeg(*size) for name, size in _SIZES.items()}


if __name__ == "__main__":
    typer.run(main)
