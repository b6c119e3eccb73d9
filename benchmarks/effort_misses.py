"""Misses at each point of the dial for the encoders' efforts, in turn: what the one who waits pays for fewer bytes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import misses, photos
from benchmarks.parts import Parts
from benchmarks.percentiles import percentile
from benchmarks.report import Cell, Figure, Report, Table
from devstack.far_s3 import Distance
from prewmanager_presets.efforts import EFFORTS
from tests.support.site import nginx_variables

_DELAY_MS = 15
_FORMATS = ("jpeg", "webp", "avif", "png")
_MOST = 1.5  # times a miss at `fast`, which `balanced` may take
_WARM_UP = 2


@dataclass
class _Measured:
    ms: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        return percentile(self.ms, 50)


_Results = dict[tuple[str, str], _Measured]  # by format and effort


def add_to(report: Report, parts: Parts, photo: bytes, rounds: int) -> None:
    """Measure `rounds` misses at each effort of each format, with Lambda; add table and figures to the report."""
    results = _measure(parts, photo, rounds)
    rows = [_row(results, output, effort) for output, effort in results]
    columns = ["preset", "misses", "p50 ms", "p25", "p75", "of `fast`, p50", "KB"]
    note = f"S3 {_DELAY_MS} ms away, through nginx, a warm sandbox; the standard photo, 720 wide; in turn."
    report.tables.append(Table("Misses by effort", columns, rows, note))
    for output in _FORMATS:
        what = f"{output}: a miss at `balanced`, of that at `fast`, S3 {_DELAY_MS} ms away"
        report.figures.append(Figure(what, _of_fast(results, output, "balanced"), "times", _MOST))


def _measure(parts: Parts, photo: bytes, rounds: int) -> _Results:
    s3 = parts.s3()
    far = parts.far_s3(s3, Distance(_DELAY_MS / 1000))
    function, _ = parts.function(far, VIPS_CONCURRENCY="1")
    service = parts.service(parts.redis(), far, function.url, **dict(_presets()))
    port = parts.nginx(nginx_variables(far, [service.port])).port
    results: _Results = {each: _Measured() for each in itertools.product(_FORMATS, EFFORTS)}
    for number in range(-_WARM_UP, rounds):
        name = f"{number}.jpg"
        photos.store(s3, photo, [name])
        for (output, effort), measured in results.items():
            (miss,) = misses.ask(port, [f"/prew/{output}_{effort}/{name}"])
            if number >= 0:
                measured.ms.append(miss.wall_ms)
                measured.sizes.append(miss.size)
    return results


def _presets() -> Iterator[tuple[str, str]]:
    for output, effort in itertools.product(_FORMATS, EFFORTS):
        prefix = f"PREW_PRESETS__{output}_{effort}__".upper()
        yield f"{prefix}WIDTH", "720"
        yield f"{prefix}FORMAT", output
        yield f"{prefix}EFFORT", effort


def _row(results: _Results, output: str, effort: str) -> list[Cell]:
    measured = results[output, effort]
    spread: list[Cell] = [percentile(measured.ms, percent) for percent in (50, 25, 75)]
    size = percentile(measured.sizes, 50) / 1000
    return [f"{output}, {effort}", len(measured.ms), *spread, _of_fast(results, output, effort), size]


def _of_fast(results: _Results, output: str, effort: str) -> float:
    return results[output, effort].median_ms / results[output, "fast"].median_ms
