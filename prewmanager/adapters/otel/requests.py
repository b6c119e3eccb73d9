"""Spans of requests and flights, and of nginx's part of a request, which nginx cannot trace itself.

A request's span is a child of nginx's. The span of the flight that it starts is a child of the request's, and ends
later, once the result is in Redis. A request that joins a flight has a separate trace, with a link to the flight.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from prewmanager import request_context
from prewmanager.flights.ports import FlightSpan
from prewmanager.flights.result import FlightResult
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Failure

TIMES_HEADER = "X-Proxy-Times"
_PREVIEWS = r"/{path}"  # the route of everything that is neither health nor metrics
# nginx's $msec, $request_time and $upstream_response_time when it passes the request to the service, in seconds.
_TIMES = re.compile(r"(?P<now>\d{10}\.\d{3}) (?P<since>\d{1,3}\.\d{3}) (?P<s3>\d{1,3}\.\d{3})?")
_PROPAGATOR = TraceContextTextMapPropagator()


class RequestSpans:
    """The middleware that traces preview requests."""

    def __init__(self, service: Tracer, nginx: Tracer) -> None:
        """`nginx` traces nginx's part of a request."""
        self._service = service
        self._nginx = nginx

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer the request within its span."""
        resource = request.match_info.route.resource
        if resource is None or resource.canonical != _PREVIEWS:
            return await handler(request)
        # Set before the first span, whose trace id is the request's id.
        request_context.set_request_headers(request.headers)
        context = _PROPAGATOR.extract(request.headers)
        times = ProxyTimes.of(request.headers)
        if times is None:
            return await self._handled(request, handler, context)
        span = self._nginx.start_span(
            f"nginx {request.method}", context, SpanKind.SERVER, _attributes(request), start_time=times.arrived_ns
        )
        below = trace.set_span_in_context(span, context)
        if times.s3_ns is not None:
            s3_span = self._nginx.start_span("nginx s3", below, SpanKind.CLIENT, start_time=times.arrived_ns)
            s3_span.end(times.arrived_ns + times.s3_ns)
        try:
            response = await self._handled(request, handler, below)
            _record(span, response)
            return response
        finally:
            span.end()

    async def _handled(self, request: web.Request, handler: Handler, context: Any) -> web.StreamResponse:
        name = f"{request.method} preview"
        with self._service.start_as_current_span(name, context, SpanKind.SERVER, _attributes(request)) as span:
            response = await handler(request)
            _record(span, response)
            return response


def _attributes(request: web.Request) -> dict[str, str]:
    return {
        "http.request.method": request.method,
        "url.path": request.raw_path,
        "prewmanager.request_id": request_context.request_id() or "",
    }


def _record(span: Span, response: web.StreamResponse) -> None:
    span.set_attribute("http.response.status_code", response.status)
    span.set_attribute("prewmanager.source", response.headers.get("X-Preview", ""))
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.set_status(Status(StatusCode.ERROR))


@dataclass(frozen=True, slots=True)
class ProxyTimes:
    """When a request reached nginx, and how long S3 took to answer that the preview is missing; in nanoseconds."""

    arrived_ns: int
    s3_ns: int | None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> ProxyTimes | None:
        """Parse nginx's header; None if it is missing or implausible."""
        found = _TIMES.match(headers.get(TIMES_HEADER, ""))
        if found is None:
            return None
        arrived_ns = _ns(found["now"]) - _ns(found["since"])
        # More than an hour off: a clock is wrong, or the header is not nginx's.
        if abs(time.time_ns() - arrived_ns) > 3600 * 10**9:
            return None
        return cls(arrived_ns, _ns(found["s3"]) if found["s3"] else None)


def _ns(seconds: str) -> int:
    """Convert seconds to nanoseconds without a float, which has too few digits for nanoseconds since 1970."""
    return int(seconds.replace(".", "")) * 10**6


class FlightSpans:
    """A `FlightTracer`: one span for a flight, and links from the requests that join it."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start(self, preview: Preview) -> FlightSpan:
        """Start the flight's span as a child of the current request's."""
        attributes = {"prewmanager.key": preview.preview_key, "prewmanager.preset": preview.preset_name}
        return _Span(self._tracer.start_span("flight", attributes=attributes))


class _Span:
    def __init__(self, span: Span) -> None:
        self._span = span
        self._current = trace.use_span(span, end_on_exit=True)

    def joined(self) -> None:
        trace.get_current_span().add_link(self._span.get_span_context())

    def completed(self, result: FlightResult) -> None:
        if isinstance(result.outcome, Failure):
            self._span.set_attribute("prewmanager.outcome", result.outcome.kind)
            self._span.set_status(Status(StatusCode.ERROR, result.outcome.detail))
        else:
            self._span.set_attribute("prewmanager.outcome", result.source.value)

    def __enter__(self) -> None:
        self._current.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self._current.__exit__(kind, error, traceback)
