"""The ports as spans: what a flight asks of Redis, S3 and the resize function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from prewmanager import request_context
from prewmanager.flights.ports import (
    Completed,
    FlightStore,
    Held,
    Lease,
    Made,
    Outcome,
    PreviewStore,
    Resizer,
    Siblings,
)
from prewmanager.previews.catalogue import Preview

_REDIS = {"db.system.name": "redis"}
_PROPAGATOR = TraceContextTextMapPropagator()


@contextmanager
def _asking(tracer: Tracer, name: str, **attributes: str) -> Iterator[Span]:
    """A span for one request to another program; an exception ends it as an error."""
    with tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes) as span:
        yield span


class TracedFlightStore:
    """A `FlightStore` in Redis."""

    def __init__(self, inner: FlightStore, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def acquire(self, key: str) -> Lease | Completed | Held:
        """Claim; the span says what came of it."""
        with _asking(self._tracer, "redis claim", **_REDIS) as span:
            acquired = await self._inner.acquire(key)
            if isinstance(acquired, Completed | Held):
                span.set_attribute("prewmanager.claim", type(acquired).__name__.lower())
                return acquired
            span.set_attribute("prewmanager.claim", "won")
            return _TracedLease(acquired, self._tracer)

    async def try_acquire(self, key: str) -> Lease | None:
        """Claim a sibling's flight; the span says whether it was free."""
        with _asking(self._tracer, "redis take", **_REDIS) as span:
            lease = await self._inner.try_acquire(key)
            span.set_attribute("prewmanager.claim", "taken" if lease is None else "won")
            return None if lease is None else _TracedLease(lease, self._tracer)

    async def evict(self, key: str, settled: Completed) -> None:
        """Forget an outcome whose preview is gone."""
        with _asking(self._tracer, "redis forget", **_REDIS):
            await self._inner.evict(key, settled)

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Wait for whoever makes it."""
        with _asking(self._tracer, "redis wait", **_REDIS):
            await self._inner.wait_for_change(key, timeout_s)


class _TracedLease:
    def __init__(self, inner: Lease, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def renew(self) -> bool:
        with _asking(self._tracer, "redis renew", **_REDIS):
            return await self._inner.renew()

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        with _asking(self._tracer, "redis settle", **_REDIS) as span:
            kept = await self._inner.complete(outcome, ttl_s)
            span.set_attribute("prewmanager.kept", kept)
            return kept

    async def release(self) -> None:
        with _asking(self._tracer, "redis abandon", **_REDIS):
            await self._inner.release()


class TracedStore:
    """A `PreviewStore` in S3."""

    def __init__(self, inner: PreviewStore, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def find(self, key: str) -> Made | None:
        """Check for it; the span says whether it was there."""
        with _asking(self._tracer, "s3 look", **{"aws.s3.key": key}) as span:
            found = await self._inner.find(key)
            span.set_attribute("prewmanager.found", found is not None)
            return found

    async def stream(self, key: str) -> tuple[Made, AsyncIterator[bytes]]:
        """Open it; the span ends with the answer's head, as the bytes come with the client's pace."""
        with _asking(self._tracer, "s3 stream", **{"aws.s3.key": key}):
            return await self._inner.stream(key)


class TracedResizer:
    """A `Resizer` that tells whom it asks which span is asking."""

    def __init__(self, inner: Resizer, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def resize(self, preview: Preview, also: Siblings | None = None) -> Made:
        """One attempt."""
        with _asking(self._tracer, "resize", **{"prewmanager.photo": preview.photo_key}) as span:
            told: dict[str, str] = {}
            _PROPAGATOR.inject(told)
            request_context.set_traceparent(told["traceparent"])
            made = await self._inner.resize(preview, also)
            span.set_attribute("prewmanager.bytes", made.size)
            if also is not None:
                span.set_attribute("prewmanager.also", [each.preset_name for each in also.previews])
            return made
