"""One replica in memory: a coalescer with fakes of its ports, on a board and a bucket that others may share."""

from __future__ import annotations

import asyncio

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.errors import failure_classes
from prewmanager.flights.result import Answer
from prewmanager.flights.coalescer import Coalescer
from prewmanager.flights.ports import FlightStore
from prewmanager.flights.lease import Lifetimes, Timing
from prewmanager.resizing.load import Load
from tests.support.fakes import CATALOGUE, FakeStore, GatedResizer, RecordingObserver

TIMING = Timing(lease_s=0.3, lock_ttl_s=3, invoke_s=5, wait_s=10, first_poll_s=0.001, longest_poll_s=0.005)


class InMemoryReplica:
    """A replica, of the presets of `catalogue`."""

    catalogue = CATALOGUE

    def __init__(
        self,
        flight_store: FlightStore | None = None,
        store: FakeStore | None = None,
        error: Exception | None = None,
        timing: Timing = TIMING,
        max_flights: int = 100,
    ) -> None:
        self.flight_store = flight_store or MemoryFlightStore()
        self.store = store or FakeStore()
        self.resizer = GatedResizer(self.store, error)
        self.observer = RecordingObserver()
        self.coalescer = Coalescer(
            flight_store=self.flight_store,
            resizer=self.resizer,
            store=self.store,
            observer=self.observer,
            timing=timing,
            lifetimes=Lifetimes(30, dict.fromkeys(failure_classes(), 2.0)),
            load=Load(at_once=2),
            max_flights=max_flights,
            companions=self.catalogue.companions,
        )

    def ask(self, path: str = "/prew/card/a.jpg") -> asyncio.Task[Answer]:
        """A request for a preview."""
        return asyncio.create_task(self.coalescer.preview(self.catalogue.resolve(path)))
