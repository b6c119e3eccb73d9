"""The ports as spans: what a flight asks of Redis, S3 and the resize function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from prewmanager import correlation
from prewmanager.ports import Busy, FlightBoard, Lease, Made, Outcome, PreviewStore, Resizer, Settled, Siblings
from prewmanager.preview import Preview

_REDIS = {"db.system.name": "redis"}
_PROPAGATOR = TraceContextTextMapPropagator()


@contextmanager
def _asking(tracer: Tracer, name: str, **attributes: str) -> Iterator[Span]:
    """A span for one request to another program; an exception ends it as an error."""
    with tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes) as span:
        yield span


class TracedBoard:
    """A `FlightBoard` in Redis."""

    def __init__(self, inner: FlightBoard, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def claim(self, key: str) -> Lease | Settled | Busy:
        """Claim; the span says what came of it."""
        with _asking(self._tracer, "redis claim", **_REDIS) as span:
            claim = await self._inner.claim(key)
            if isinstance(claim, Settled | Busy):
                span.set_attribute("prewmanager.claim", type(claim).__name__.lower())
                return claim
            span.set_attribute("prewmanager.claim", "won")
            return _TracedLease(claim, self._tracer)

    async def take(self, key: str) -> Lease | None:
        """Claim a sibling's flight; the span says whether it was free."""
        with _asking(self._tracer, "redis take", **_REDIS) as span:
            lease = await self._inner.take(key)
            span.set_attribute("prewmanager.claim", "taken" if lease is None else "won")
            return None if lease is None else _TracedLease(lease, self._tracer)

    async def forget(self, key: str, settled: Settled) -> None:
        """Forget an outcome whose preview is gone."""
        with _asking(self._tracer, "redis forget", **_REDIS):
            await self._inner.forget(key, settled)

    async def watch(self, key: str, timeout_s: float) -> None:
        """Wait for whoever makes it."""
        with _asking(self._tracer, "redis wait", **_REDIS):
            await self._inner.watch(key, timeout_s)


class _TracedLease:
    def __init__(self, inner: Lease, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def renew(self) -> bool:
        with _asking(self._tracer, "redis renew", **_REDIS):
            return await self._inner.renew()

    async def settle(self, outcome: Outcome, ttl_s: float) -> bool:
        with _asking(self._tracer, "redis settle", **_REDIS) as span:
            kept = await self._inner.settle(outcome, ttl_s)
            span.set_attribute("prewmanager.kept", kept)
            return kept

    async def abandon(self) -> None:
        with _asking(self._tracer, "redis abandon", **_REDIS):
            await self._inner.abandon()


class TracedStore:
    """A `PreviewStore` in S3."""

    def __init__(self, inner: PreviewStore, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def find(self, key: str) -> Made | None:
        """Look for it; the span says whether it was there."""
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
            correlation.calling_as(told["traceparent"])
            made = await self._inner.resize(preview, also)
            span.set_attribute("prewmanager.bytes", made.size)
            if also is not None:
                span.set_attribute("prewmanager.also", [each.preset_name for each in also.previews])
            return made
