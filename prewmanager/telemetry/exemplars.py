"""Exemplars of several worker processes: prometheus-client keeps them in the memory of the process that observed.

Each worker writes its latest ones into a file, beside the values that all share; whichever is scraped reads them.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

_EVERY_S = 1.0  # a file of some kilobytes is written no oftener
_PREFIX = "exemplars_"


class WrittenExemplars:
    """The latest trace of this process in each bucket of each preset, in a file of the workers' folder."""

    def __init__(self, folder: Path, buckets: Sequence[float]) -> None:
        self._file = folder / f"{_PREFIX}{os.getpid()}.json"
        self._buckets = [*buckets, float("inf")]
        self._latest: dict[str, dict[str, tuple[str, float, float]]] = {}
        self._written_at = float("-inf")

    def note(self, preset: str, seconds: float, trace: str) -> None:
        """Keep the trace of a flight of so many seconds; a later one of the same bucket replaces it."""
        bound = self._buckets[bisect.bisect_left(self._buckets, seconds)]
        self._latest.setdefault(preset, {})[str(bound)] = (trace, seconds, time.time())
        now = time.monotonic()
        if now - self._written_at >= _EVERY_S:
            self._written_at = now
            self._write()

    def _write(self) -> None:
        """Write the file anew; where that fails, a scrape shows the earlier ones."""
        new = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):
            new.write_bytes(orjson.dumps(self._latest))
            new.replace(self._file)


class AllWorkers(Collector):
    """Collects the metrics of all workers, and their exemplars in one histogram by preset."""

    def __init__(self, folder: Path, histogram: str) -> None:
        self._folder = folder
        self._histogram = histogram

    def collect(self) -> Iterable[Metric]:
        """Yield each metric."""
        collector = MultiProcessCollector(CollectorRegistry(), str(self._folder))  # type: ignore[no-untyped-call]  # it annotates only some
        for metric in collector.collect():  # type: ignore[no-untyped-call]  # likewise
            yield self._with_exemplars(metric) if metric.name == self._histogram else metric

    def _with_exemplars(self, metric: Metric) -> Metric:
        latest = _latest(self._folder)
        made = Metric(metric.name, metric.documentation, metric.type)
        for sample in metric.samples:
            place = (sample.labels.get("preset", ""), float(sample.labels.get("le", "nan")))
            made.add_sample(sample.name, sample.labels, sample.value, exemplar=latest.get(place))
        return made


def _latest(folder: Path) -> dict[tuple[str, float], Exemplar]:
    """Return the latest exemplar of all workers by preset and bucket."""
    found: dict[tuple[str, float], Exemplar] = {}
    for file in folder.glob(f"{_PREFIX}*.json"):
        content: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError, ValueError):
            content = orjson.loads(file.read_bytes())
        for preset, buckets in content.items():
            for bound, (trace, seconds, at) in buckets.items():
                place = (preset, float(bound))
                if place not in found or at > float(found[place].timestamp or 0):
                    found[place] = Exemplar({"trace_id": trace}, seconds, at)
    return found
