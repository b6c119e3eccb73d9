"""Where traces are attached: around the ports and the flights, when the service is composed.

Without traces the parts stay as they are, so that no request and no flight pays for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from aiohttp.typedefs import Middleware

from prewmanager.flights.ports import FlightSpan, FlightStore, FlightTracer
from prewmanager.flights.result import FlightResult
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.ports import PreviewStore
from prewmanager.resizing.ports import Resizer


class Tracing(Protocol):
    """Replaces parts of the service by traced ones."""

    @property
    def middlewares(self) -> Sequence[Middleware]:
        """Middlewares around the handlers."""
        ...

    @property
    def flights(self) -> FlightTracer:
        """The tracer of flights."""
        ...

    def flight_store(self, flight_store: FlightStore) -> FlightStore:
        """Trace the commands to the flight store that replicas share."""
        ...

    def store(self, store: PreviewStore) -> PreviewStore:
        """Trace the requests to the bucket of previews."""
        ...

    def resizer(self, resizer: Resizer) -> Resizer:
        """Trace the attempts of the innermost resizer."""
        ...


class NoSpans:
    """A `FlightTracer` that traces nothing; it is its own span."""

    def start(self, _: Preview) -> FlightSpan:
        """Return a span that records nothing."""
        return self

    def joined(self) -> None:
        """Record nothing."""

    def completed(self, result: FlightResult) -> None:
        """Record nothing."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...


class NoTracing:
    """Every part as it is."""

    middlewares: Sequence[Middleware] = ()
    flights: FlightTracer = NoSpans()

    def flight_store(self, flight_store: FlightStore) -> FlightStore:
        """Return the flight store itself."""
        return flight_store

    def store(self, store: PreviewStore) -> PreviewStore:
        """Return the store itself."""
        return store

    def resizer(self, resizer: Resizer) -> Resizer:
        """Return the resizer itself."""
        return resizer
