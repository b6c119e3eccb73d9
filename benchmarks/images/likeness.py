"""How well the function's estimate of SSIMULACRA2 does, and what a preset's `target` evens out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import pyvips
from rich.console import Console

from benchmarks.images import encoders, scores
from benchmarks.report import Cell, Report, Table
from lambda_resize.likeness import encode
from lambda_resize.similarity import Reference
from prewmanager_presets import Preset, Spec

_QUALITIES = {"jpeg": (45, 65, 80, 92), "webp": (45, 70, 84, 93), "avif": (40, 53, 64, 78)}
_TARGETS = (None, "75", "q80")


def measure(report: Report, pictures: Sequence[Path], console: Console) -> None:
    """Add both tables; the pictures are PNGs."""
    console.print("likeness")
    report.tables.append(_estimates(pictures))
    report.tables.append(_spreads(pictures))


def _estimates(pictures: Sequence[Path]) -> Table:
    rows = list[list[Cell]]()
    for output, qualities in _QUALITIES.items():
        encode_at = next(
            each.encode for each in encoders.present(output, None, Console(quiet=True)) if "balanced" in each.name
        )
        errors = []
        for picture in pictures:
            reference = Reference(pyvips.Image.new_from_file(str(picture)).copy_memory())
            made = [encode_at(picture, quality)[0] for quality in qualities]
            errors += [reference.score(each) - scores.ssimulacra2(picture, each) for each in made]
        sizes = [abs(each) for each in errors]
        rows.append([output, len(errors), statistics.mean(errors), statistics.mean(sizes), max(sizes)])
    title = f"The estimate less SSIMULACRA2, {len(pictures)} photos that it was not fitted to"
    return Table(title, ["", "previews", "mean", "mean of amounts", "largest amount"], rows)


def _spreads(pictures: Sequence[Path]) -> Table:
    rows = list[list[Cell]]()
    as_jpeg: list[float] = []
    for output in _QUALITIES:
        for target in _TARGETS:
            spec = Spec(**Preset(width=1, format=output, target=target).spec)
            made = [_made(picture, output, spec) for picture in pictures]
            found = [scores.ssimulacra2(picture, each) for picture, (each, _) in zip(pictures, made, strict=True)]
            as_jpeg = as_jpeg or found  # the first row's
            apart = statistics.mean(abs(one - other) for one, other in zip(found, as_jpeg, strict=True))
            size, cpu_ms = (
                statistics.mean(each) for each in ([len(data) / 1000 for data, _ in made], [ms for _, ms in made])
            )
            deviation = statistics.stdev(found)
            bounds: list[Cell] = [min(found), max(found)]
            rows.append([output, target or "none", statistics.mean(found), deviation, *bounds, apart, size, cpu_ms])
    columns = ["", "target", "mean", "deviation", "least", "most", "from JPEG 80", "KB", "CPU ms"]
    return Table("SSIMULACRA2 at one quality, and at a target", columns, rows)


def _made(picture: Path, output: str, spec: Spec) -> tuple[bytes, float]:
    """Return the preview and the milliseconds of CPU that it took."""
    image = pyvips.Image.new_from_file(str(picture)).copy_memory()
    start = time.process_time()
    made = encode(image, output, spec, lambda: float("inf"))
    return made, (time.process_time() - start) * 1000
