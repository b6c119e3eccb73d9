"""The metrics of several worker processes as those of one: what they use together, or the worst of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

# By metric, how the workers' values become one. Descriptors have a limit for each process.
_TOGETHER: dict[str, Callable[[Sequence[float]], float]] = {
    "process_virtual_memory_bytes": sum,
    "process_resident_memory_bytes": sum,
    "process_start_time_seconds": min,
    "process_cpu_seconds": sum,
    "process_open_fds": max,
    "process_max_fds": min,
}


def worker_deaths(registry: CollectorRegistry | None) -> Counter:
    """Return the counter of workers that died: the parent counts, and the workers report."""
    return Counter("prewmanager_workers_died", "Processes of serve --workers that died", registry=registry)


class WorkersCollector(Collector):
    """Collects Prometheus' usual metrics of a parent and its workers."""

    def __init__(self, parent: int) -> None:
        """`parent` is a process id."""
        self._parent = parent

    def collect(self) -> Iterable[Metric]:
        """Yield each metric of all processes that are alive."""
        found: dict[str, list[Metric]] = {}
        for pid in (self._parent, *_children(self._parent)):
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]  # mypy sees no default
                found.setdefault(metric.name, []).append(metric)
        for name, metrics in found.items():
            value = _TOGETHER[name]([metric.samples[0].value for metric in metrics])
            family = CounterMetricFamily if metrics[0].type == "counter" else GaugeMetricFamily
            yield family(name, metrics[0].documentation, value=value)


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    except OSError:
        return []
