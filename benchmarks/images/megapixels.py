"""Time and memory by photo size, for formats that are decoded row by row and formats that are not."""

from __future__ import annotations

from pathlib import Path

from benchmarks import plots
from benchmarks.images.contestants import Worker, ours
from benchmarks.images.photo import of_megapixels
from benchmarks.report import Report, Table

_WIDTH = 720
KINDS = ("jpeg", "progressive", "png", "webp")
_WEBP_LIMIT = 200  # megapixels: WebP allows at most 16383 pixels a side


def measure(report: Report, folder: Path, work: Path, sizes: list[int]) -> None:
    """Measure each photo in a fresh process, so that the peak of memory is that photo's."""
    work.mkdir(parents=True, exist_ok=True)
    times: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    peaks: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    rows: list[list[str | float]] = []
    for kind in KINDS:
        for size in sizes:
            if kind == "webp" and size > _WEBP_LIMIT:
                continue
            photo = of_megapixels(work, size, kind)
            with Worker(ours(), threads=None) as worker:
                milliseconds = worker.make(photo, work / "preview", _WIDTH, "jpeg")
                times[kind].append((size, milliseconds))
                peaks[kind].append((size, worker.peak_mb))
            rows.append([kind, size, photo.stat().st_size / 1e6, milliseconds, peaks[kind][-1][1]])
            photo.unlink()
    columns = ["photo", "megapixels", "file MB", "ms", "peak MB"]
    report.tables.append(Table("720 wide JPEG of photos of all sizes", columns, rows))
    for name, label, series in (("time", "milliseconds", times), ("memory", "MB of peak memory", peaks)):
        file = f"megapixels-{name}.svg"
        plots.lines(folder / file, "A preview of 720 pixels", ("megapixels of the photo", label), series)
        report.plots.append(file)
