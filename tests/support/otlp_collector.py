"""A collector's substitute: receives traces by OTLP over HTTP, and keeps them in a list."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

# Each span of a miss through nginx, with its parent.
TREE_OF_A_MISS = {
    "nginx GET": "",
    "nginx s3": "nginx GET",
    "GET preview": "nginx GET",
    "flight": "GET preview",
    "redis acquire": "flight",
    "s3 find": "flight",
    "resize": "flight",
    "redis complete": "flight",
}


@dataclass(frozen=True)
class Received:
    """One span; ids in hexadecimal, times in nanoseconds since 1970."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    links: tuple[str, ...]


class Collector:
    """An OTLP/HTTP receiver on a free port, while its block is open."""

    def __init__(self) -> None:
        self.spans: list[Received] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Yield the address for `OTEL_EXPORTER_OTLP_ENDPOINT`."""
        app = web.Application()
        app.router.add_post("/v1/traces", self._receive)
        async with TestServer(app) as server:
            yield f"http://127.0.0.1:{server.port}"

    async def _receive(self, request: web.Request) -> web.Response:
        self.spans += _received(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(content_type="application/x-protobuf")

    def trace(self, trace_id: str) -> dict[str, Received]:
        """Return the spans of one trace by name."""
        return {span.name: span for span in self.spans if span.trace_id == trace_id}


def parents(spans: Iterable[Received]) -> dict[str, str]:
    """Return the tree: the name of each span's parent, empty for the root."""
    names = {span.span_id: span.name for span in spans}
    return {span.name: names.get(span.parent_id, "") for span in spans}


def _received(request: ExportTraceServiceRequest) -> list[Received]:
    found = []
    for resource in request.resource_spans:
        named = {each.key: each.value.string_value for each in resource.resource.attributes}
        found += [
            Received(
                named["service.name"],
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                tuple(each.span_id.hex() for each in span.links),
            )
            for scope in resource.scope_spans
            for span in scope.spans
        ]
    return found
