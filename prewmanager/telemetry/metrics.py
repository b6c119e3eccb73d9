"""What the service tells about itself: JSON lines for the log, and metrics for Prometheus."""

from __future__ import annotations

import json
import logging
import os
import sys
from functools import lru_cache, partial
from typing import Any

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

from prewmanager.flights.ports import Failure, FlightResult, Made, Source
from prewmanager.previews.catalogue import Preview
from prewmanager.request_context import request_id
from prewmanager.telemetry.buffer import MetricsBuffer
from prewmanager.telemetry.cost_meter import CostMetrics

_log = structlog.get_logger(__name__)
# One series more for each counter and histogram, which Prometheus has no use for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client annotates only some
# Read by prometheus-client when it is imported: the folder in which workers of one service share their metrics.
MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40)
_WRITTEN = {Source.MADE, Source.COMPANION}


def configure_logging(level: str) -> None:
    """JSON lines on standard error, one an event, from `level` up; libraries' own from warnings up."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            _with_request_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Without the variables of each frame: they would put whole requests into the log.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), format='{"level":"%(levelname)s","logger":"%(name)s"}')


def _json(event: EventDict, **options: Any) -> bytes:
    try:
        return orjson.dumps(event, **options)
    except orjson.JSONEncodeError:
        # A path that is no UTF-8 has surrogates in it, which the standard library writes as escapes.
        return json.dumps(event, **options).encode()


def _with_request_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Each line names the request that it is about, whatever part wrote it; a flight's is the one that began it."""
    known = request_id()
    if known is not None:
        event["request_id"] = known
    return event


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
        self._tally = MetricsBuffer(requests, seconds)
        self.flush = self._tally.flush
        self.usage = CostMetrics(self.registry, self._tally.note)
        # Bound once: a gauge's `set` is the name of its level.
        self._tell_waiting = gauge("prewmanager_waiting", "Requests that wait for a flight now").set
        self._waiting = 0
        flights = counter(
            "prewmanager_flights",
            "Flights that ended, by preset and how: made, found, joined, sibling (made along), or the failure's kind",
            ["preset", "outcome"],
        )
        flight_seconds = histogram(
            "prewmanager_flight_seconds", "Duration of a flight, by preset", ["preset"], buckets=_SECONDS
        )
        step_seconds = histogram(
            "prewmanager_step_seconds", "Time in one step of a flight: lock, s3, lambda", ["step"], buckets=_SECONDS
        )
        # Looking a labelled metric up takes longer than counting.
        self._flights = lru_cache(maxsize=1024)(flights.labels)
        self._flight_seconds = lru_cache(maxsize=1024)(flight_seconds.labels)
        self._step_seconds = lru_cache(maxsize=16)(step_seconds.labels)
        self._takeovers = counter("prewmanager_takeovers", "Flights taken over from another process")
        redis_up = "1 while flights are shared through Redis, 0 while alone"
        self._redis_up = gauge("prewmanager_redis_up", redis_up, multiprocess_mode="livemin")
        load = gauge("prewmanager_resizes", "Resizes of this process now, running and queued", ["state"])
        self._tell_running, self._tell_queued = load.labels("running").set, load.labels("queued").set

    def waiting(self, change: int) -> None:
        """Note that one request more, or less, waits."""
        self._waiting += change
        self._tally.level(self._tell_waiting, self._waiting)

    def load_is(self, running: int, queued: int) -> None:
        """Note how many resizes run and wait."""
        self._tally.level(self._tell_running, running)
        self._tally.level(self._tell_queued, queued)

    def completed(self, preview: Preview, result: FlightResult, seconds: float) -> None:
        """Count a flight of this process, and the time of each of its steps."""
        said = result.outcome.kind if isinstance(result.outcome, Failure) else result.source.value
        _log.info(
            "flight",
            key=preview.preview_key,
            outcome=said,
            detail=result.outcome.detail if isinstance(result.outcome, Failure) else None,
            seconds=round(seconds, 4),
            **{f"{step}_ms": round(ms, 1) for step, ms in result.timings_ms.items()},
        )
        note = self._tally.note
        note(self._flights(preview.preset_name, said).inc)
        note(self._flight_seconds(preview.preset_name).observe, seconds)
        for step, milliseconds in result.timings_ms.items():
            note(self._step_seconds(step).observe, milliseconds / 1000)
        if result.source in _WRITTEN and isinstance(result.outcome, Made):
            self.usage.stored(preview.preset_name, result.outcome.size)

    def took_over(self, preview: Preview) -> None:
        """Count a flight that another process had begun."""
        _log.info("flight.took_over", key=preview.preview_key)
        self._takeovers.inc()

    def answered(self, preset: str, status: int, source: str, seconds: float) -> None:
        """Count one request; `preset` is empty where none was recognised, so that labels stay few."""
        self._tally.answered(preset, str(status), source, seconds)

    def redis_is(self, up: bool) -> None:  # noqa: FBT001 -- a callback that says one thing
        """Note whether flights are shared through Redis."""
        self._redis_up.set(int(up))

    def text(self) -> bytes:
        """All metrics in Prometheus's text format; those of all workers where there are several."""
        self.flush()
        if MULTIPROCESS_DIR not in os.environ:
            return generate_latest(self.registry)
        everybodys = CollectorRegistry()
        MultiProcessCollector(everybodys)  # type: ignore[no-untyped-call]  # prometheus-client annotates only some
        return generate_latest(everybodys)
