"""What flights report: counts, times, and a line in the log for each.

A failure counts once, where it happened: whoever gets it from the cache or from another replica counts apart.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from copy import copy
from functools import lru_cache, partial
from typing import Self

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from prewmanager.errors import PhotoFatal, PhotoHidden, Transient, failure_classes
from prewmanager.flights.result import FlightResult
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Failure, Source
from prewmanager.request_context import trace_id
from prewmanager.telemetry.buffer import MetricsBuffer
from prewmanager.telemetry.exemplars import WrittenExemplars

# A failure from the cache takes one to five milliseconds, a join or a preview that is found some tens, a render more.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40)
FLIGHT_SECONDS = "prewmanager_flight_seconds"
_REFUSALS_EVERY_S = 10.0  # in the log: an overloaded process must not write a line for each
_log = structlog.get_logger(__name__)
# What is not the photo's fault, or may not be: the function dies of too little memory, too.
_OURS = {kind for kind, each in failure_classes().items() if issubclass(each, Transient | PhotoFatal)}
# What alerts count, so that the first of them is an increase.
ALARMED = sorted({*_OURS, PhotoHidden.kind, Source.MADE.value, Source.FOUND.value})


class FlightMetrics:
    """Counts and logs flights."""

    def __init__(self, registry: CollectorRegistry, buffer: MetricsBuffer, written: WrittenExemplars | None) -> None:
        """`written`: where several workers' exemplars are."""
        self._written = written
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        self._count = buffer.count
        flights = counter(
            "prewmanager_flights",
            "Completed flights, by preset and outcome: made, found, joined, companion, or the kind of a new failure",
            ["preset", "outcome"],
        )
        cached = "Flights that ended with a failure that was known before, by its kind: nothing was tried"
        cached_failures = counter("prewmanager_cached_failures", cached, ["outcome"])
        seconds = histogram(
            FLIGHT_SECONDS,
            "Duration of a flight that does not end with a photo's fault, by preset",
            ["preset"],
            buckets=SECONDS,
        )
        steps = histogram(
            "prewmanager_step_seconds", "Time in one step of a flight: lock, s3, lambda", ["step"], buckets=SECONDS
        )
        # Looking up a labelled metric takes longer than counting.
        self._flights = lru_cache(maxsize=1024)(flights.labels)
        self._cached_failures = lru_cache(maxsize=32)(cached_failures.labels)
        self._seconds = lru_cache(maxsize=1024)(seconds.labels)
        self._steps = lru_cache(maxsize=16)(steps.labels)
        self._takeovers = counter("prewmanager_takeovers", "Flights taken over from another process")
        lost = "Previews that were answered before they were written, and are not in S3"
        self._writes_lost = counter("prewmanager_writes_lost", lost)
        refused = "Requests that got no flight, since PREW_MAX_FLIGHTS were in flight"
        self._refusals = counter("prewmanager_refused_requests", refused)
        self.defects = counter("prewmanager_defects", "Requests and flights that met a defect of the service")
        self._source = ""
        self._refused = 0
        self._refusals_logged = float("-inf")

    def of(self, source: str) -> Self:
        """Return the same metrics for the presets of a source, `source/preset`; log lines name it likewise."""
        other = copy(self)
        other._source = f"{source}/"  # noqa: SLF001 -- a copy of this one
        return other

    def expect(self, presets: Iterable[str]) -> None:
        """Create what alerts count, at 0: Prometheus sees no increase in a series that begins with 1."""
        for preset in presets:
            for outcome in ALARMED:
                self._flights(f"{self._source}{preset}", outcome)

    def completed(self, preview: Preview, result: FlightResult, seconds: float) -> None:
        """Count and log a flight, and the time of each of its steps."""
        failure = result.outcome if isinstance(result.outcome, Failure) else None
        if failure is not None and result.source is Source.CACHED:
            self._count(self._cached_failures(failure.kind).inc)
            _log.debug("flight.cached", key=self._key(preview), outcome=failure.kind)
            return
        is_own = failure is not None and result.source is not Source.JOINED
        preset = f"{self._source}{preview.preset_name}"
        self._count(self._flights(preset, failure.kind if failure and is_own else result.source.value).inc)
        if failure is None or failure.kind in _OURS:
            # Photos that are missing are found so at once; they would hide how long a rendering takes.
            self._observe(preset, seconds)
        for step, milliseconds in result.timings_ms:
            self._count(self._steps(step).observe, milliseconds / 1000)
        log = _log.warning if failure and is_own and failure.kind in _OURS else _log.info
        log(
            "flight",
            key=self._key(preview),
            outcome=failure.kind if failure else result.source.value,
            detail=failure.detail if failure else None,
            seconds=round(seconds, 4),
            **({"source": result.source.value} if failure else {}),
            **{f"{step}_ms": round(ms, 1) for step, ms in result.timings_ms},
        )

    def _key(self, preview: Preview) -> str:
        return f"{self._source.replace('/', ':')}{preview.preview_key}"

    def _observe(self, preset: str, seconds: float) -> None:
        """Count a flight's duration, with its trace as an exemplar."""
        observe, trace = self._seconds(preset).observe, trace_id()
        if trace and self._written is not None:
            self._written.note(preset, seconds, trace)
        elif trace:
            observe = partial(observe, exemplar={"trace_id": trace})
        self._count(observe, seconds)

    def took_over(self, preview: Preview) -> None:
        """Log and count a takeover."""
        _log.info("flight.takeover", key=self._key(preview))
        self._takeovers.inc()

    def write_lost(self, preview: Preview) -> None:
        """Log and count a preview that was answered and is not in S3."""
        _log.warning("flight.write_lost", key=self._key(preview))
        self._writes_lost.inc()

    def crashed(self, preview: Preview) -> None:
        """Log and count the exception that is being handled."""
        self.defects.inc()
        _log.exception("flight.crashed", key=self._key(preview))

    def refused(self) -> None:
        """Count a request without a flight; the log has their number every ten seconds."""
        self._refusals.inc()
        self._refused += 1
        now = time.monotonic()
        if now - self._refusals_logged >= _REFUSALS_EVERY_S:
            _log.warning("flights.refused", requests=self._refused, reason="PREW_MAX_FLIGHTS are in flight")
            self._refused, self._refusals_logged = 0, now
