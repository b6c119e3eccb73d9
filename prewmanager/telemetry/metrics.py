"""The metrics of one process, for Prometheus."""

from __future__ import annotations

import os
from functools import lru_cache, partial

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

from prewmanager.flights.result import FlightResult
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Failure, Made, Source
from prewmanager.telemetry.buffer import MetricsBuffer
from prewmanager.telemetry.cost_meter import CostMetrics

_log = structlog.get_logger(__name__)
# One more series for each counter and histogram, which Prometheus has no use for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client annotates only some
# Read by prometheus-client when it is imported: the folder in which the workers of one service share their metrics.
MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40)
_WRITTEN = {Source.MADE, Source.COMPANION}


class Metrics:
    """The metrics of one process; a `FlightObserver` of its flights."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        counter, histogram = partial(Counter, registry=self.registry), partial(Histogram, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry, multiprocess_mode="livesum")
        requests = counter(
            "prewmanager_requests",
            "Preview requests that reached the service, by preset, status, and X-Preview (joined: work saved) or error",
            ["preset", "status", "source"],
        )
        seconds = histogram("prewmanager_request_seconds", "Time to answer a preview request", buckets=_SECONDS)
        self._buffer = MetricsBuffer(requests, seconds)
        self.flush = self._buffer.flush
        self.costs = CostMetrics(self.registry, self._buffer)
        # Bound once: the buffer knows a gauge by its `set`.
        self._set_waiting = gauge("prewmanager_waiting", "Requests that wait for a flight now").set
        self._waiting = 0
        self._set_held = gauge("prewmanager_result_bytes", "Bytes of results in memory now").set
        self._count_flights(counter, histogram)
        redis_up = "1 while flights are shared through Redis, 0 while alone"
        self._redis_up = gauge("prewmanager_redis_up", redis_up, multiprocess_mode="livemin")
        evicted = "Keys that Redis has evicted since its start, of whatever program"
        self.redis_has_evicted = gauge("prewmanager_redis_evicted_keys", evicted, multiprocess_mode="max").set
        load = gauge("prewmanager_resizes", "Resizes of this process now, running and queued", ["state"])
        self._set_running, self._set_queued = load.labels("running").set, load.labels("queued").set

    def _count_flights(self, counter: partial[Counter], histogram: partial[Histogram]) -> None:
        flights = counter(
            "prewmanager_flights",
            "Completed flights, by preset and outcome: made, found, joined, companion, or the failure's kind",
            ["preset", "outcome"],
        )
        flight_seconds = histogram(
            "prewmanager_flight_seconds", "Duration of a flight, by preset", ["preset"], buckets=_SECONDS
        )
        step_seconds = histogram(
            "prewmanager_step_seconds", "Time in one step of a flight: lock, s3, lambda", ["step"], buckets=_SECONDS
        )
        # Looking up a labelled metric takes longer than counting.
        self._flights = lru_cache(maxsize=1024)(flights.labels)
        self._flight_seconds = lru_cache(maxsize=1024)(flight_seconds.labels)
        self._step_seconds = lru_cache(maxsize=16)(step_seconds.labels)
        without_redis = "Flights of this process alone, since Redis is away or has an error for them"
        self.flight_is_alone = counter("prewmanager_flights_alone", without_redis).inc
        self._takeovers = counter("prewmanager_takeovers", "Flights taken over from another process")
        lost = "Previews that were answered before they were written, and are not in S3"
        self._writes_lost = counter("prewmanager_writes_lost", lost)

    def waiting(self, change: int) -> None:
        """Count so many waiting requests more, or fewer."""
        self._waiting += change
        self._buffer.level(self._set_waiting, self._waiting)

    def results_hold(self, size: int) -> None:
        """Record the bytes of results in memory."""
        self._buffer.level(self._set_held, size)

    def load_is(self, running: int, queued: int) -> None:
        """Record how many resizes run and queue."""
        self._buffer.level(self._set_running, running)
        self._buffer.level(self._set_queued, queued)

    def completed(self, preview: Preview, result: FlightResult, *, waiters: int, seconds: float) -> None:  # noqa: ARG002 -- the port's; requests are counted one by one
        """Log and count a flight of this process, and the time of each of its steps."""
        failure = result.outcome if isinstance(result.outcome, Failure) else None
        outcome = failure.kind if failure else result.source.value
        _log.info(
            "flight",
            key=preview.preview_key,
            outcome=outcome,
            detail=failure.detail if failure else None,
            seconds=round(seconds, 4),
            **{f"{step}_ms": round(ms, 1) for step, ms in result.timings_ms},
        )
        count = self._buffer.count
        count(self._flights(preview.preset_name, outcome).inc)
        count(self._flight_seconds(preview.preset_name).observe, seconds)
        for step, milliseconds in result.timings_ms:
            count(self._step_seconds(step).observe, milliseconds / 1000)
        if result.source in _WRITTEN and isinstance(result.outcome, Made):
            self.costs.stored(preview.preset_name, result.outcome.size)

    def took_over(self, preview: Preview) -> None:
        """Log and count a takeover."""
        _log.info("flight.takeover", key=preview.preview_key)
        self._takeovers.inc()

    def write_lost(self, preview: Preview) -> None:
        """Log and count a preview that was answered and is not in S3."""
        _log.warning("flight.write_lost", key=preview.preview_key)
        self._writes_lost.inc()

    def answered(self, preset: str, status: int, source: str, seconds: float) -> None:
        """Count one request; `preset` is empty where the path names none, so that labels stay few."""
        self._buffer.answered(preset, str(status), source, seconds)

    def redis_is(self, up: bool) -> None:  # noqa: FBT001 -- a callback that says one thing
        """Record whether flights are shared through Redis."""
        self._redis_up.set(int(up))

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format; those of all workers where there are several."""
        self.flush()
        if MULTIPROCESS_DIR not in os.environ:
            return generate_latest(self.registry)
        all_workers = CollectorRegistry()
        MultiProcessCollector(all_workers)  # type: ignore[no-untyped-call]  # prometheus-client annotates only some
        return generate_latest(all_workers)
