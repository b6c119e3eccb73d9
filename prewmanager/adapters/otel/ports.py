"""Ports with spans: they trace a flight's requests to Redis, S3 and the resize function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager

from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from prewmanager.flights.ports import FlightStore, Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Made, Outcome
from prewmanager.previews.ports import PreviewStore
from prewmanager.request_context import set_traceparent
from prewmanager.resizing.ports import Resizer
from prewmanager.resizing.render import RenderJob, RenderResult

_REDIS = {"db.system.name": "redis"}
_PROPAGATOR = TraceContextTextMapPropagator()


@contextmanager
def _request(tracer: Tracer, name: str, **attributes: str) -> Iterator[Span]:
    """Open a span for one request to another program; an exception ends it as an error."""
    with tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes) as span:
        yield span


class TracedFlightStore:
    """Traces a `FlightStore` in Redis."""

    def __init__(self, inner: FlightStore, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def acquire(self, key: str, *, waits: bool = True) -> Lease | Completed | Held:
        """Acquire the lease; the span records the outcome: acquired, held or completed."""
        with _request(self._tracer, "redis acquire", **_REDIS) as span:
            acquired = await self._inner.acquire(key, waits=waits)
            if isinstance(acquired, Completed | Held):
                span.set_attribute("prewmanager.lease", type(acquired).__name__.lower())
                return acquired
            span.set_attribute("prewmanager.lease", "acquired")
            return _TracedLease(acquired, self._tracer)

    def watching(self, key: str) -> AbstractContextManager[None]:
        """Take part in a flight; this sends nothing."""
        return self._inner.watching(key)

    async def evict(self, key: str, completed: Completed | None) -> bool:
        """Evict an outcome whose preview is gone."""
        with _request(self._tracer, "redis evict", **_REDIS):
            return await self._inner.evict(key, completed)

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Wait for the process that has the lease."""
        with _request(self._tracer, "redis wait", **_REDIS):
            await self._inner.wait_for_change(key, timeout_s)


class _TracedLease:
    def __init__(self, inner: Lease, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer
        self.keeps_previews = inner.keeps_previews

    async def renew(self) -> bool:
        with _request(self._tracer, "redis renew", **_REDIS):
            return await self._inner.renew()

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        with _request(self._tracer, "redis complete", **_REDIS) as span:
            completed = await self._inner.complete(outcome, ttl_s)
            span.set_attribute("prewmanager.completed", completed)
            return completed

    async def release(self) -> None:
        with _request(self._tracer, "redis release", **_REDIS):
            await self._inner.release()

    async def replace(self, outcome: Outcome | None, ttl_s: float) -> None:
        with _request(self._tracer, "redis replace", **_REDIS):
            await self._inner.replace(outcome, ttl_s)


class TracedStore:
    """Traces a `PreviewStore` in S3."""

    def __init__(self, inner: PreviewStore, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def find(self, key: str) -> Made | None:
        """Find a preview; the span records whether it exists."""
        with _request(self._tracer, "s3 find", **{"aws.s3.key": key}) as span:
            found = await self._inner.find(key)
            span.set_attribute("prewmanager.found", found is not None)
            return found

    async def stream(self, key: str) -> tuple[Made, AsyncIterator[bytes]]:
        """Stream a preview; the span ends with the response's headers, since the body comes at the client's pace."""
        with _request(self._tracer, "s3 stream", **{"aws.s3.key": key}):
            return await self._inner.stream(key)


class TracedResizer:
    """Traces a `Resizer`, and passes the span on to the function."""

    def __init__(self, inner: Resizer, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def resize(self, job: RenderJob) -> RenderResult:
        """Make one attempt; the span records the preview's bytes and the companions' presets."""
        with _request(self._tracer, "resize", **{"prewmanager.photo": job.preview.photo_key}) as span:
            fields: dict[str, str] = {}
            _PROPAGATOR.inject(fields)
            set_traceparent(fields["traceparent"])
            result = await self._inner.resize(job)
            span.set_attribute("prewmanager.bytes", result.made.size)
            if job.companions:
                span.set_attribute("prewmanager.companions", [each.preset_name for each in job.companions])
            return result
