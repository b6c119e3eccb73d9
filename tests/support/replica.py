"""A replica in memory: a coalescer with fakes of its ports, and a flight store and bucket that others may share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Self

from aiohttp import ClientResponse, ClientSession
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Middleware
from yarl import URL

from prewmanager.adapters.memory_faults import MemoryPhotoFaults
from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.errors import failure_classes
from prewmanager.flights.ability import Ability
from prewmanager.flights.coalescer import Coalescer
from prewmanager.flights.finding import Finding
from prewmanager.flights.lease import Lifetimes, Timing
from prewmanager.flights.memory import ResultMemory
from prewmanager.flights.parts import FlightParts
from prewmanager.flights.placeholder import FallbackFinder, FallbackPreviews
from prewmanager.flights.ports import FlightObserver, FlightStore, FlightTracer, Lease
from prewmanager.flights.result import Answer, Completed, Held
from prewmanager.flights.unwritten import UnwrittenPreviews
from prewmanager.flights.visibility import Visibility
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.layout import Layout
from prewmanager.previews.ports import PreviewStore
from prewmanager.previews.variants import all_variants
from prewmanager.purging.photos import ChangedPhotos
from prewmanager.resizing.load import Load
from prewmanager.resizing.photo_faults import FaultTimes
from prewmanager.resizing.photos import PhotoFaultsResizer, Photos
from prewmanager.resizing.ports import PhotoFaults, Resizer
from prewmanager.telemetry.metrics import Metrics
from prewmanager.telemetry.tracing import NoSpans, NoTracing, Tracing
from prewmanager.web.app import Service, make_app
from prewmanager.web.ports import PreviewProvider, Probe
from prewmanager_presets import Preset
from tests.support.fakes import CATALOGUE, FakePhotoReader, FakeStore, GatedResizer, RecordingObserver, until

TIMING = Timing(lease_s=0.3, lock_ttl_s=3, invoke_s=5, wait_s=10, first_poll_s=0.001, longest_poll_s=0.005)


class InMemoryReplica:
    """A replica with the presets of `catalogue`; each part can be replaced."""

    def __init__(
        self,
        flight_store: FlightStore | None = None,
        *,
        catalogue: Catalogue = CATALOGUE,
        store: FakeStore | None = None,
        error: Exception | None = None,
        timing: Timing = TIMING,
        max_flights: int = 100,
        failures_s: float = 2.0,
        memory_bytes: int = 10_000_000,
        fallback_after_s: float | None = None,
        unseen_s: float = 0.0,
        unwritten_s: float = 0.4,
        most_unwritten: int = 10,
        faults: PhotoFaults | None = None,
        observer: FlightObserver | None = None,
        tracer: FlightTracer | None = None,
        traced_store: Callable[[PreviewStore], PreviewStore] = lambda store: store,
        traced_resizer: Callable[[Resizer], Resizer] = lambda resizer: resizer,
    ) -> None:
        self.catalogue = catalogue
        self.flight_store = flight_store or MemoryFlightStore()
        self.store = store or FakeStore()
        self.resizer = GatedResizer(self.store, error)
        self.observer = RecordingObserver()
        self.photo_reader = FakePhotoReader()
        photos = Photos(faults or MemoryPhotoFaults(FaultTimes(60, 10, 15)), self.photo_reader)
        lifetimes = Lifetimes(30, dict.fromkeys(failure_classes(), failures_s), unseen_s, unwritten_s)
        self.unwritten = UnwrittenPreviews(
            self.store, photos, observer or self.observer, lifetimes, allowed=True, most=most_unwritten
        )
        parts = FlightParts(
            flight_store=self.flight_store,
            store=traced_store(self.store),
            photos=photos,
            resizer=PhotoFaultsResizer(traced_resizer(self.resizer), photos, slow_s=1),
            observer=observer or self.observer,
            timing=timing,
            lifetimes=lifetimes,
            memory=ResultMemory(memory_bytes),
            ability=Ability(),
            visibility=Visibility(at_once=unseen_s == 0),
            finding=Finding(),
            unwritten=self.unwritten,
        )
        self.photos = photos
        self.coalescer = Coalescer(
            parts,
            tracer=tracer or NoSpans(),
            load=Load(at_once=2),
            max_flights=max_flights,
            companions=catalogue.companions,
        )
        self.provider: PreviewProvider = self.coalescer
        if fallback_after_s is not None:
            finder = FallbackFinder(catalogue, self.store)
            self.provider = FallbackPreviews(self.coalescer, finder, after_s=fallback_after_s)

    def ask(self, path: str = "/prew/card/a.jpg") -> asyncio.Task[Answer]:
        """Start a request for a preview."""
        return asyncio.create_task(self.provider.preview(self.catalogue.resolve(path)))


GALLERY = Catalogue(
    all_variants(
        {
            "thumb": Preset(width=200, companions=("card", "hero")),
            "card": Preset(width=720, companions=("thumb",)),
            "hero": Preset(width=1600, best_effort=True),
            "auto": Preset(width=100, format="auto", dpr=(2,), companions=("fine", "card")),
            "fine": Preset(width=300, format="auto"),
        }
    ),
    Layout("photo", "prew"),
)


class Gallery(InMemoryReplica):
    """A replica whose presets are each other's companions, for requests of one photo."""

    def __init__(
        self,
        flight_store: FlightStore | None = None,
        store: FakeStore | None = None,
        error: Exception | None = None,
        timing: Timing = TIMING,
    ) -> None:
        super().__init__(flight_store, catalogue=GALLERY, store=store, error=error, timing=timing)

    def ask(self, preset: str = "thumb") -> asyncio.Task[Answer]:
        """Start a request for the photo's preview."""
        return super().ask(f"/prew/{preset}/a.jpg")

    async def completed(self) -> None:
        """Return when no flight is left."""
        await until(lambda: not self.coalescer.in_flight())

    async def known(self, preset: str) -> Lease | Completed | Held:
        """Return the flight store's entry of a preview."""
        return await self.flight_store.acquire(GALLERY.resolve(f"/prew/{preset}/a.jpg").flight_key)


class FakeProbe:
    """A dependency that answers, fails or hangs."""

    def __init__(self, error: Exception | None = None, *, hangs: bool = False) -> None:
        self.error = error
        self.hangs = hangs

    async def ping(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


class WebReplica(InMemoryReplica):
    """An in-memory replica that serves HTTP on loopback, with a client."""

    def __init__(self, tracing: Tracing | None = None, middlewares: Sequence[Middleware] = ()) -> None:
        self.metrics = Metrics()
        self.tracing = tracing or NoTracing()
        super().__init__(
            self.tracing.flight_store(MemoryFlightStore()),
            timing=Timing(lease_s=5, lock_ttl_s=20, invoke_s=5, wait_s=15),
            max_flights=10,
            failures_s=0,
            observer=self.metrics,
            tracer=self.tracing.flights,
            traced_store=self.tracing.store,
            traced_resizer=self.tracing.resizer,
        )
        self.s3, self.redis = FakeProbe(), FakeProbe()
        self.changed: ChangedPhotos | None = None
        self.by_host: dict[str, Service] = {}
        self._middlewares = [*middlewares, *self.tracing.middlewares]

    def service(self, bucket: str = "") -> Service:
        """Return the service; each of `by_host` is a further source, named by its bucket."""
        required: dict[str, Probe] = {"s3": self.s3}
        return Service(
            self.catalogue,
            self.coalescer,
            self.coalescer,
            self.tracing.store(self.store),
            self.metrics,
            required,
            {"redis": self.redis},
            middlewares=self._middlewares,
            photos=self.changed,
            sources={each.bucket: each for each in self.by_host.values()},
            by_host=self.by_host,
            bucket=bucket,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        async with TestServer(make_app(self.service("photos"))) as server, ClientSession() as session:
            assert server.runner is not None
            assert server.runner.server is not None
            self.server, self.address = server.runner.server, (server.host, server.port)
            self._url, self._session = f"http://{server.host}:{server.port}", session
            self.port = server.port
            yield self
            await self.coalescer.close(5)

    async def request(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> ClientResponse:
        """Send a request and read its answer; `path` is sent unchanged."""
        response = await self._session.request(method, URL(self._url + path, encoded=True), headers=headers)
        await response.read()
        return response

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> ClientResponse:
        """Send a GET request."""
        return await self.request("GET", path, headers)
