"""Bytes and CPU of encoders at equal quality: where each photo has the SSIMULACRA2 of today's JPEG, at quality 80."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from benchmarks import plots
from benchmarks.images import encoders, likeness, scores, web_photos
from benchmarks.images.contestants import Contestant
from benchmarks.images.encoders import OURS, QUALITIES, Encoder
from benchmarks.report import Cell, Figure, Report, Table
from lambda_resize.resize import resize
from prewmanager_presets import Spec

WIDTH = 720
TODAY = f"{OURS}, fast"
_LIMITS = {"jpeg": {"balanced": 0.95, "small": 0.84}, "webp": {"balanced": 0.90, "small": 0.80}}


@dataclass(frozen=True)
class Point:
    """One photo at one quality."""

    size: int
    score: float
    cpu_ms: float


def measure(report: Report, folder: Path, work: Path, sharp: Contestant | None, console: Console) -> None:
    """Add tables, figures and plots for each format, if SSIMULACRA2 and photos can be had."""
    photos = web_photos.all_present(console)
    if not photos or not scores.is_present(console):
        return
    pictures = [_reference(photo, work) for photo in photos]
    wanted = [_point(_today(), picture, 80).score for picture in pictures]
    for output in QUALITIES:
        rows = {}
        for encoder in encoders.present(output, sharp, console):
            console.print(f"equal quality: {output}, {encoder.name}")
            rows[encoder.name] = _at_equal(encoder, pictures, wanted)
        _add(report, folder, output, rows, len(pictures))
    _lossless(report, pictures, sharp, console)
    likeness.measure(report, pictures, console)


def _today() -> Encoder:
    (found, *_) = encoders.present("jpeg", None, Console(quiet=True))
    return found


def _reference(photo: Path, work: Path) -> Path:
    picture = work / f"{photo.stem}-{WIDTH}.png"
    picture.write_bytes(resize(photo.read_bytes(), Spec(width=WIDTH, format="png", png_effort=0)).data)
    return picture


def _point(encoder: Encoder, picture: Path, quality: int) -> Point:
    made, cpu_ms = encoder.encode(picture, quality)
    return Point(len(made), scores.ssimulacra2(picture, made), cpu_ms)


def _at_equal(encoder: Encoder, pictures: Sequence[Path], wanted: Sequence[float]) -> list[tuple[float, float]]:
    """Return for each picture the bytes at the wanted score, and the CPU."""
    found = []
    for picture, score in zip(pictures, wanted, strict=True):
        points = [_point(encoder, picture, quality) for quality in QUALITIES[encoder.output]]
        found.append((_size_at(points, score), sum(each.cpu_ms for each in points) / len(points)))
    return found


def _size_at(points: Sequence[Point], score: float) -> float:
    """Return the bytes at a score, between or beyond two measured points; their logarithm is linear in the score."""
    low, high = next((pair for pair in pairwise(points) if score <= pair[1].score), points[-2:])
    share = (score - low.score) / (high.score - low.score)
    return math.exp(math.log(low.size) * (1 - share) + math.log(high.size) * share)


def _add(
    report: Report, folder: Path, output: str, rows: Mapping[str, Sequence[tuple[float, float]]], count: int
) -> None:
    base = [size for size, _ in rows[TODAY]]
    points, table = {}, list[list[Cell]]()
    for name, found in rows.items():
        ratios = [size / one for (size, _), one in zip(found, base, strict=True)]
        ratio = math.exp(sum(map(math.log, ratios)) / len(ratios))
        cpu_ms = sum(cpu for _, cpu in found) / len(found)
        points[name] = (cpu_ms, ratio)
        size = sum(size for size, _ in found) / len(found) / 1000
        table.append([name, round(ratio, 3), round(min(ratios), 2), round(max(ratios), 2), size, cpu_ms])
        limit = _LIMITS.get(output, {}).get(name.removeprefix(f"{OURS}, "))
        if limit:
            report.figures.append(Figure(f"{output}, {name}, bytes to fast's", ratio, "", limit))
    title = f"{output.upper()} at the SSIMULACRA2 of JPEG 80, {count} photos, {WIDTH} wide"
    columns = ["", "bytes to fast's", "least", "most", "KB", "CPU ms"]
    report.tables.append(Table(title, columns, table, "Geometric means; CPU is the encoder's alone."))
    ours = [points[name] for name in points if name.startswith(OURS)]
    others = {name: [point] for name, point in points.items() if not name.startswith(OURS)}
    file = f"images-equal-{output}.svg"
    plots.lines(folder / file, title, ("CPU, milliseconds", "bytes, to fast's"), {OURS: sorted(ours), **others})
    report.plots.append(file)


def _lossless(report: Report, pictures: Sequence[Path], sharp: Contestant | None, console: Console) -> None:
    rows = list[list[Cell]]()
    for encoder in encoders.present("png", sharp, console):
        made = [encoder.encode(picture, None) for picture in pictures]
        rows.append(
            [encoder.name, sum(len(data) for data, _ in made) / len(made) / 1000, sum(ms for _, ms in made) / len(made)]
        )
    report.tables.append(Table(f"PNG, {len(pictures)} photos, {WIDTH} wide", ["", "KB", "CPU ms"], rows))
