"""All benchmarks of the image core; writes table and plots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import plots
from benchmarks.images import cold_start, contestants, equal, megapixels, race
from benchmarks.images.photo import landscape
from benchmarks.parts import ROOT, running_parts
from benchmarks.report import Report
from benchmarks.results import results_folder

_FORMATS = ("jpeg", "png", "webp", "avif")


def main(quick: Annotated[bool, typer.Option("--quick", help="two minutes, into .local/benchmarks")] = False) -> None:
    """Run everything, print the tables, write them and the plots."""
    folder, console = results_folder(quick=quick), Console()
    report = Report("images", "The image core")
    with running_parts() as parts:
        work = parts.folder("images")
        photo = landscape(work)
        present = contestants.all_present(parts, photo, console)
        for threads in (1, None):
            for output in _FORMATS:
                console.print(f"{output}, {'one thread' if threads else 'default threads'}")
                rounds = (3 if quick else 5) if output == race.SLOW else (5 if quick else 31)
                results = race.run(present, photo, work, output, threads, rounds)
                medians = race.add_to(report, output, threads, results)
                if threads == 1:
                    _plot(report, folder, output, medians)
        sharp = next((each for each in present if each.name == race.SHARP), None)
        at_equal = Report("images-equal", "Encoders at equal quality")
        equal.measure(at_equal, folder, work, sharp, console)
        console.print("cold start")
        times = cold_start.measure(parts.s3(), photo, 5 if quick else 15, with_node=sharp is not None)
        _plot(report, folder, "cold", cold_start.add_to(report, times))
    console.print("photos of all sizes")
    megapixels.measure(report, folder, ROOT / ".local" / "megapixels", [1, 24] if quick else [1, 24, 100, 400])
    for each in (report, at_equal) if at_equal.tables else (report,):
        each.print_on(console)
        each.write(folder)


def _plot(report: Report, folder: Path, what: str, medians: dict[str, float]) -> None:
    title = "Cold start to a preview in S3" if what == "cold" else f"{what.upper()}, 720 wide, one thread"
    plots.bars(folder / f"images-{what}.svg", title, "milliseconds", medians)
    report.plots.append(f"images-{what}.svg")


if __name__ == "__main__":
    typer.run(main)
