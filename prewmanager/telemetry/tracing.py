"""Where traces are hooked in: around the ports and the flights, when the service is put together.

Without traces the parts stay as they are, so that nothing is asked, and nothing paid, for each request or flight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from aiohttp.typedefs import Middleware

from prewmanager.flights.flight import Flight
from prewmanager.flights.ports import FlightStore, PreviewStore, Resizer

MakeFlight = Callable[..., Flight]


class Tracing(Protocol):
    """What each part is replaced by, so that it tells what it does."""

    @property
    def middlewares(self) -> Sequence[Middleware]:
        """What stands around the handlers."""
        ...

    @property
    def flight(self) -> MakeFlight:
        """What makes a flight; called as `Flight` is."""
        ...

    def flight_store(self, flight_store: FlightStore) -> FlightStore:
        """The board that replicas share."""
        ...

    def store(self, store: PreviewStore) -> PreviewStore:
        """The bucket of previews."""
        ...

    def resizer(self, resizer: Resizer) -> Resizer:
        """What really makes the previews."""
        ...


class NoTracing:
    """Every part as it is."""

    middlewares: Sequence[Middleware] = ()
    flight: MakeFlight = Flight

    def flight_store(self, flight_store: FlightStore) -> FlightStore:
        """The board itself."""
        return flight_store

    def store(self, store: PreviewStore) -> PreviewStore:
        """The store itself."""
        return store

    def resizer(self, resizer: Resizer) -> Resizer:
        """The resizer itself."""
        return resizer
