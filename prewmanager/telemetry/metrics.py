"""The metrics of one process, for Prometheus."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector

from prewmanager import __version__
from prewmanager.flights.result import FlightResult
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Made, Source
from prewmanager.telemetry.buffer import MetricsBuffer
from prewmanager.telemetry.cost_meter import CostMetrics
from prewmanager.telemetry.exemplars import AllWorkers, WrittenExemplars
from prewmanager.telemetry.flights import FLIGHT_SECONDS, SECONDS, FlightMetrics
from prewmanager.telemetry.logging import LOG
from prewmanager.telemetry.polishing import PolishMetrics
from prewmanager.telemetry.processes import WorkersCollector, worker_deaths
from prewmanager.telemetry.purging import PurgeMetrics

# One more series for each counter and histogram, which Prometheus has no use for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client annotates only some
# Read by prometheus-client when it is imported: the folder in which the workers of one service share their metrics.
MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
_WRITTEN = {Source.MADE, Source.COMPANION}


class _Level:
    """A number of now, of all sources together."""

    def __init__(self, buffer: MetricsBuffer, record: Callable[[float], None]) -> None:
        self._buffer = buffer
        self._record = record
        self._now = 0

    def changes(self, change: int) -> None:
        """Count so many more, or fewer."""
        self._now += change
        self._buffer.level(self._record, self._now)


class Metrics:
    """The metrics of one process; a `FlightObserver` of its flights."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        counter = partial(Counter, registry=self.registry)
        self._requests = counter(
            "prewmanager_requests",
            "Preview requests that reached the service, by preset, status, and X-Preview (joined: work saved), the "
            "error, or cached for a failure that was known before",
            ["preset", "status", "source"],
        )
        seconds = Histogram(
            "prewmanager_request_seconds", "Time to answer a preview request", buckets=SECONDS, registry=self.registry
        )
        self._buffer = MetricsBuffer(self._requests, seconds)
        self.flush = self._buffer.flush
        self.costs = CostMetrics(self.registry, self._buffer)
        folder = os.environ.get(MULTIPROCESS_DIR)
        written = WrittenExemplars(Path(folder), SECONDS) if folder else None
        self.flights = FlightMetrics(self.registry, self._buffer, written)
        self.polish = PolishMetrics(self.registry)
        self.purges = PurgeMetrics(self.registry)
        self._source = ""
        self._bind_flights()
        without_redis = "Flights of this process alone, since Redis is away or has an error for them"
        self.flight_is_alone = counter("prewmanager_flights_alone", without_redis).inc
        lost = counter("prewmanager_log_lines_lost", "Lines of the log that could not be written")
        LOG.report_losses(lost.inc)
        worker_deaths(self.registry)
        self._define_levels()

    def _bind_flights(self) -> None:
        self.took_over, self.crashed, self.refused = self.flights.took_over, self.flights.crashed, self.flights.refused
        self.write_lost, self.request_crashed = self.flights.write_lost, self.flights.defects.inc

    def of(self, source: str) -> Metrics:
        """Return the same metrics for a source, whose presets are `source/preset` in labels."""
        other = copy(self)
        other._source = f"{source}/"  # noqa: SLF001 -- a copy of this one
        other.costs, other.flights = self.costs.of(source), self.flights.of(source)
        other._bind_flights()  # noqa: SLF001 -- a copy of this one
        return other

    def _define_levels(self) -> None:
        gauge = partial(Gauge, registry=self.registry)
        total = partial(gauge, multiprocess_mode="livesum")
        # Bound once: the buffer knows a gauge by its `set`.
        waiting = total("prewmanager_waiting", "Requests that wait for a flight now").set
        self.waiting = _Level(self._buffer, waiting).changes
        self._set_held = total("prewmanager_result_bytes", "Bytes of results in memory now").set
        # They exist from their first value on: a site may have no Redis, and evictions are what Redis has reported.
        self._redis_up: Gauge | None = None
        self._evicted: Gauge | None = None
        load = total("prewmanager_resizes", "Resizes of this process now, running and queued", ["state"])
        self._set_running, self._set_queued = load.labels("running").set, load.labels("queued").set
        build = gauge("prewmanager_build_info", "1, by version", ["version"], multiprocess_mode="livemax")
        build.labels(__version__).set(1)
        self._presets = gauge(
            "prewmanager_preset_info",
            "1 for each preset and variant, by its definition's fingerprint",
            ["preset", "fingerprint"],
            multiprocess_mode="livemax",
        )

    def expect(self, fingerprints: Mapping[str, str], failures: Iterable[tuple[int, str]]) -> None:
        """Create the series of these presets, at 0; `failures` are the statuses of 500 and more, with their kinds."""
        self.flights.expect(fingerprints)
        statuses = list(failures)
        for name, fingerprint in fingerprints.items():
            preset = f"{self._source}{name}"
            self._presets.labels(preset, fingerprint).set(1)
            for status, kind in statuses:
                self._requests.labels(preset, str(status), kind)

    def results_hold(self, size: int) -> None:
        """Record the bytes of results in memory."""
        self._buffer.level(self._set_held, size)

    def load_is(self, running: int, queued: int) -> None:
        """Record how many resizes run and queue."""
        self._buffer.level(self._set_running, running)
        self._buffer.level(self._set_queued, queued)

    def completed(self, preview: Preview, result: FlightResult, *, waiters: int, seconds: float) -> None:  # noqa: ARG002 -- the port's; requests are counted one by one
        """Log and count a flight of this process, and the time of each of its steps."""
        self.flights.completed(preview, result, seconds)
        if result.source in _WRITTEN and isinstance(result.outcome, Made):
            self.costs.stored(preview.preset_name, result.outcome.size)

    def answered(self, preset: str, status: int, source: str, seconds: float) -> None:
        """Count one request; `preset` is empty where the path names none, so that labels stay few."""
        self._buffer.answered(f"{self._source}{preset}" if preset else "", str(status), source, seconds)

    def redis_is(self, up: bool) -> None:  # noqa: FBT001 -- a callback that says one thing
        """Record whether flights are shared through Redis, where one is configured."""
        if self._redis_up is None:
            text = "1 while flights are shared through Redis, 0 while alone"
            name = "prewmanager_redis_up"
            self._redis_up = Gauge(name, text, multiprocess_mode="livemin", registry=self.registry)
        self._redis_up.set(int(up))

    def redis_has_evicted(self, keys: int) -> None:
        """Record how many keys Redis has evicted since its start."""
        if self._evicted is None:
            evicted = "Keys that Redis has evicted since its start, of whatever program"
            name = "prewmanager_redis_evicted_keys"
            self._evicted = Gauge(name, evicted, multiprocess_mode="max", registry=self.registry)
        self._evicted.set(keys)

    async def scraped(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics, those of all workers where there are several, and their content type.

        Where the header `Accept` names OpenMetrics, flights' times have exemplars: the trace ids of some flights.
        """
        self.flush()
        # In a thread: a hundred variants take tens of milliseconds, in which nobody would get an answer.
        return await asyncio.to_thread(self._encoded, accept)

    def text(self) -> str:
        """Return all metrics in Prometheus' text format."""
        self.flush()
        return self._encoded("")[0].decode()

    def _encoded(self, accept: str) -> tuple[bytes, str]:
        encode, content_type = choose_encoder(accept)
        if MULTIPROCESS_DIR not in os.environ:
            return encode(self.registry), content_type
        all_workers = CollectorRegistry()
        all_workers.register(AllWorkers(Path(os.environ[MULTIPROCESS_DIR]), FLIGHT_SECONDS))
        all_workers.register(WorkersCollector(os.getppid()))
        return encode(all_workers), content_type
