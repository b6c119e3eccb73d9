"""The race: contestants alternate on the same previews, so that disturbances of the machine affect all of them."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from benchmarks.images import quality
from benchmarks.images.contestants import CODECS_ALONE, Contestant, Worker
from benchmarks.report import Cell, Figure, Report, Table

WIDTH = 720
SHARP, OURS, THUMBOR = "sharp", "prewmanager", "thumbor"
SLOW = "avif"  # sharp's default takes seconds


@dataclass
class Result:
    """One contestant's result for one format: milliseconds by round, the file, peak memory in MB."""

    times: list[float] = field(default_factory=list)
    size: int = 0
    ssim: float = 0.0
    peak_mb: float = 0.0


def run(  # noqa: PLR0917 -- the parameters of a race
    contestants: Sequence[Contestant], photo: Path, work: Path, output: str, threads: int | None, rounds: int
) -> dict[str, Result]:
    """Race in one format with a number of threads; the first two rounds do not count."""
    taking_part = [each for each in contestants if output in each.formats]
    results = {each.name: Result() for each in taking_part}
    with contextlib.ExitStack() as exits:
        workers = {each.name: exits.enter_context(Worker(each, threads)) for each in taking_part}
        for number in range(rounds + 2):
            for name, worker in workers.items():
                milliseconds = worker.make(photo, work / f"{name}.{output}", WIDTH, output)
                if number > 1:
                    results[name].times.append(milliseconds)
        for name, worker in workers.items():
            results[name].peak_mb = worker.peak_mb
    for name, result in results.items():
        _judge(result, photo, work / f"{name}.{output}")
    return results


def _judge(result: Result, photo: Path, preview: Path) -> None:
    result.size = preview.stat().st_size
    with Image.open(preview) as image:
        wanted = quality.reference(photo, *image.size)
    result.ssim = quality.ssim(preview, wanted)


def add_to(report: Report, output: str, threads: int | None, results: dict[str, Result]) -> dict[str, float]:
    """Add a table and figures to the report; return the medians by name."""
    medians = {name: statistics.median(result.times) for name, result in results.items()}
    how = "one thread" if threads == 1 else "default threads"
    rows: list[list[Cell]] = [
        [name, medians[name], min(each.times), each.size / 1000, round(each.ssim, 4), each.peak_mb]
        for name, each in results.items()
    ]
    columns = ["", "median ms", "fastest ms", "KB", "SSIM", "peak MB"]
    report.tables.append(Table(f"{output.upper()}, {WIDTH} wide, {how}", columns, rows))
    if SHARP in results:
        ratio = _ratio(results, OURS, SHARP)
        report.figures.append(Figure(f"{output}, {how}: time, ours to sharp's", ratio, "", 1.0))
        if threads == 1:
            report.figures += _fairness(output, results)
    if THUMBOR in results:
        report.figures.append(
            Figure(f"{output}, {how}: time, ours to thumbor's", _ratio(results, OURS, THUMBOR), "", 0.5)
        )
        if CODECS_ALONE in results:
            floor = _ratio(results, CODECS_ALONE, THUMBOR)
            report.figures.append(Figure(f"{output}, {how}: time, the codecs alone to thumbor's", floor, ""))
    return medians


def _ratio(results: dict[str, Result], one: str, other: str) -> float:
    """Return the median over rounds of the ratio within a round, where both had the same disturbances."""
    return statistics.median(a / b for a, b in zip(results[one].times, results[other].times, strict=True))


def _fairness(output: str, results: dict[str, Result]) -> list[Figure]:
    """Add figures that show equal size and quality; sharp with our effort, where ours differs from its default."""
    other = next((result for name, result in results.items() if name.startswith(f"{SHARP}, effort")), results[SHARP])
    return [
        Figure(f"{output}: size, ours to sharp's", results[OURS].size / other.size, "", 1.03),
        Figure(f"{output}: SSIM, ours less sharp's", round(results[OURS].ssim - other.ssim, 4), "", 0.0, "at least"),
    ]
