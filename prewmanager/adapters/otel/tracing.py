"""Traces by OpenTelemetry: creates the spans and sends them to a collector.

The SDK itself reads its standard variables: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`,
`OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_…`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence

from aiohttp.typedefs import Middleware
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Tracer

from prewmanager.adapters.opening import OPENTELEMETRY, refusals
from prewmanager.adapters.otel.ports import TracedFlightStore, TracedResizer, TracedStore
from prewmanager.adapters.otel.requests import FlightSpans, RequestSpans
from prewmanager.flights.ports import FlightStore, FlightTracer
from prewmanager.previews.ports import PreviewStore
from prewmanager.request_context import trace_id
from prewmanager.resizing.ports import Resizer


class OtelTracing:
    """A `Tracing` that sends all spans to one processor; the service name of nginx's spans is `nginx`."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._tracer = _tracer("prewmanager", processor)
        nginx = _tracer("nginx", processor, named_by_environment=False)
        self.middlewares: Sequence[Middleware] = (RequestSpans(self._tracer, nginx).middleware,)
        self.flights: FlightTracer = FlightSpans(self._tracer)

    def flight_store(self, flight_store: FlightStore) -> FlightStore:
        """Trace the flight store's commands."""
        return TracedFlightStore(flight_store, self._tracer)

    def store(self, store: PreviewStore) -> PreviewStore:
        """Trace the store's requests."""
        return TracedStore(store, self._tracer)

    def resizer(self, resizer: Resizer) -> Resizer:
        """Trace the resizer's attempts, and pass the span on to the function."""
        return TracedResizer(resizer, self._tracer)


@contextlib.asynccontextmanager
async def otel_tracing(*, flush_s: float) -> AsyncIterator[OtelTracing]:
    """Send traces to the environment's collector; at the end, wait at most `flush_s` seconds for the last spans."""
    with refusals(OPENTELEMETRY):
        processor = BatchSpanProcessor(OTLPSpanExporter())
        tracing = OtelTracing(processor)
    try:
        yield tracing
    finally:
        await _within(flush_s, processor.shutdown)


async def _within(seconds: float, work: Callable[[], None]) -> None:
    """Run blocking work in a thread, and wait at most `seconds`: a dead collector must not delay shutdown."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        work()
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing waits any more
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="last spans", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), seconds)


class _RequestIds(RandomIdGenerator):
    """Uses the request's id as the trace id, so that the id in nginx's log or an answer's header finds the trace."""

    def generate_trace_id(self) -> int:
        known = trace_id()
        return super().generate_trace_id() if known is None else int(known, 16)

    def is_trace_id_random(self) -> bool:
        return False  # nginx's ids are random; a client's may be anything


def _tracer(name: str, processor: SpanProcessor, *, named_by_environment: bool = True) -> Tracer:
    resource = Resource({SERVICE_NAME: name})
    if named_by_environment:
        resource = resource.merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, id_generator=_RequestIds(), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider.get_tracer("prewmanager")
