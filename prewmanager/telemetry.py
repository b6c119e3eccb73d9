"""What the service tells about itself: JSON lines for the log, and metrics for Prometheus."""

from __future__ import annotations

import logging
import sys

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector
from structlog.tracebacks import ExceptionDictTransformer

from prewmanager.ports import Failure, Outcome, Source
from prewmanager.preview import Preview

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40)


def configure_logging(level: str) -> None:
    """JSON lines on standard error, one an event, from `level` up; libraries' own from warnings up."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Without the variables of each frame: they would put whole requests into the log.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), format='{"level":"%(levelname)s","logger":"%(name)s"}')


class Metrics:
    """The metrics of one process; an `Observer` of its flights."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "prewmanager_requests",
            "Preview requests that reached the service, by preset, status and X-Preview",
            ["preset", "status", "source"],
            registry=self.registry,
        )
        self._waits = Histogram(
            "prewmanager_request_seconds",
            "Time to answer a preview request",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._flights = Counter(
            "prewmanager_flights",
            "Flights that ended in this process, by preset and outcome",
            ["preset", "outcome"],
            registry=self.registry,
        )
        self._flight_seconds = Histogram(
            "prewmanager_flight_seconds",
            "Duration of a flight, by preset",
            ["preset"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._takeovers = Counter(
            "prewmanager_takeovers", "Flights taken over from another process", registry=self.registry
        )
        self._shared = Gauge(
            "prewmanager_redis_up", "1 while flights are shared through Redis, 0 while alone", registry=self.registry
        )

    def landed(self, preview: Preview, outcome: Outcome, source: Source, seconds: float) -> None:
        """Count a flight of this process: made, found or joined, or the kind of its failure."""
        said = outcome.kind if isinstance(outcome, Failure) else str(source)
        self._flights.labels(preview.preset_name, said).inc()
        self._flight_seconds.labels(preview.preset_name).observe(seconds)

    def took_over(self, preview: Preview) -> None:
        """Count a flight that another process had begun."""
        structlog.get_logger(__name__).info("flight.took_over", key=preview.preview_key)
        self._takeovers.inc()

    def answered(self, preset: str, status: int, source: str, seconds: float) -> None:
        """Count one request; `preset` is empty where none was recognised, so that labels stay few."""
        self._requests.labels(preset, str(status), source).inc()
        self._waits.observe(seconds)

    def shared(self, together: bool) -> None:  # noqa: FBT001 -- a callback that says one thing
        """Note whether flights are shared through Redis."""
        self._shared.set(int(together))

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)
