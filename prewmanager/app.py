"""The composition root: builds every part, in the order of their dependencies.

How a request passes through them:

1. nginx found no preview in S3 and passes the request on; `web` resolves its path to a preview.
2. The coalescer joins the request to the preview's flight in this process, or starts one.
3. The flight acquires the preview's lease in the flight store: Redis, shared by all replicas, or this process's memory
   while Redis is unavailable or not configured.
4. The process that gets the lease checks S3 once more, has the resizer render what is missing, and completes the lease
   with the result.
5. Every waiter, here or in another replica, gets that result; from then on S3 answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import structlog
from aiohttp.typedefs import Middleware

from prewmanager.adapters.aws.s3_store import S3PreviewStore, s3_store
from prewmanager.adapters.opening import OPENTELEMETRY, refusals
from prewmanager.config.one_source import hosts_of_sources, settings_of
from prewmanager.config.settings import Settings
from prewmanager.flights.ability import Ability
from prewmanager.flights.coalescer import Coalescer
from prewmanager.flights.finding import Finding
from prewmanager.flights.memory import ResultMemory
from prewmanager.flights.parts import FlightParts
from prewmanager.flights.placeholder import FallbackFinder, FallbackPreviews
from prewmanager.flights.ports import FlightObserver
from prewmanager.flights.unwritten import UnwrittenPreviews
from prewmanager.flights.visibility import Visibility
from prewmanager.polish import noting, polishing
from prewmanager.polishing.later import KeptBriefly
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.ports import PreviewStore
from prewmanager.purges import open_purger
from prewmanager.purging.photos import ChangedPhotos
from prewmanager.resizers import innermost_resizer, resizer_name, worker_pool
from prewmanager.resizing.limits import ConcurrencyLimitedResizer, RateLimitedResizer, RetryingResizer
from prewmanager.resizing.load import Load
from prewmanager.resizing.photos import PhotoFaultsResizer, Photos
from prewmanager.resizing.ports import Quota, Resizer
from prewmanager.shared import Shared, opened_shared
from prewmanager.sizes import flights_at_once, renderings_at_once
from prewmanager.telemetry.metrics import Metrics
from prewmanager.telemetry.tracing import NoTracing, Tracing
from prewmanager.times import KEPT_BRIEFLY_S, lifetimes, timing, unseen_s
from prewmanager.web.app import Service
from prewmanager.web.contact_sheet.photos import PhotoFinder
from prewmanager.web.contact_sheet.reports import Replica
from prewmanager.web.contact_sheet.routes import ContactSheet
from prewmanager.web.contact_sheet.watch import FlightWatch
from prewmanager.web.hosts import own_names_only
from prewmanager.web.ports import PreviewProvider, Probe
from prewmanager_presets import Effort

if TYPE_CHECKING:
    from prewmanager.adapters.worker_pool import WorkerPool

_RESULTS_IN_MEMORY = 64  # of the largest size at once; further ones are streamed from S3
_log = structlog.get_logger(__name__)


class ReadyStore(PreviewStore, Probe, Protocol):
    """A store with a readiness probe."""


@dataclass(frozen=True)
class _Common:
    """What all sources of one process have together: its limits, its worker processes, and how it is observed."""

    metrics: Metrics
    tracing: Tracing
    load: Load
    memory: ResultMemory
    effort: Effort | None
    workers: WorkerPool | None


@contextlib.asynccontextmanager
async def running_service(
    settings: Settings, store: ReadyStore | None = None, *, effort: Effort | None = None
) -> AsyncIterator[Service]:
    """Run the service of all sources with everything it needs; close the parts in reverse order, flights first.

    `store` replaces S3 as the main source's store of the existence checks, `effort` the encoders' effort of presets.
    """
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(metrics.flush)
        tracing = await stack.enter_async_context(_tracing(settings))
        load = Load(renderings_at_once(settings), on_change=metrics.load_is)
        memory = ResultMemory(_RESULTS_IN_MEMORY * settings.max_result_bytes, metrics.results_hold)
        workers = await stack.enter_async_context(worker_pool(settings))
        common = _Common(metrics, tracing, load, memory, effort, workers)
        main = await stack.enter_async_context(_running(settings, common, store))
        sources = {}
        for name in settings.sources:
            of_source = replace(common, metrics=metrics.of(name))
            sources[name] = await stack.enter_async_context(_running(settings_of(settings, name), of_source))
        by_host = {host: sources[name] for host, name in hosts_of_sources(settings).items()}
        yield replace(main, sources=sources, by_host=by_host)


@contextlib.asynccontextmanager
async def _running(settings: Settings, common: _Common, store: ReadyStore | None = None) -> AsyncIterator[Service]:
    """Run the service of one source."""
    metrics, tracing, load, effort = common.metrics, common.tracing, common.load, common.effort
    async with contextlib.AsyncExitStack() as stack:
        shares_store = store is None and settings.redis_url is not None
        previews = _store(settings, settings.preview_bucket_name)
        store = store or previews
        traced = tracing.store(store)
        opened = innermost_resizer(settings, metrics.costs, effort=effort, workers=common.workers)
        resizer = await stack.enter_async_context(opened)
        shared = await stack.enter_async_context(opened_shared(settings, metrics, tracing))
        photos = Photos(shared.photo_faults, _store(settings, settings.source_bucket))
        # What a command renders, nobody waits for.
        later = noting(shared, settings, metrics) if shares_store and effort is None else None
        watch = _watch(later or metrics, shared, settings)
        purger = await stack.enter_async_context(open_purger(settings, metrics.purges))
        observer: FlightObserver = watch or later or metrics
        catalogue = Catalogue(settings.variants, settings.layout, settings.source_bucket)
        first = shares_store and settings.answer_first
        unwritten = UnwrittenPreviews(previews, photos, observer, lifetimes(settings), allowed=first)
        parts = FlightParts(
            flight_store=shared.flight_store,
            store=traced,
            photos=photos,
            resizer=_limited(tracing.resizer(resizer), photos, load, shared.quota, settings),
            observer=observer,
            timing=timing(settings),
            lifetimes=lifetimes(settings),
            ability=Ability(),
            visibility=Visibility(at_once=unseen_s(settings) == 0),
            # Without Redis nobody knows of a preview once it is rendered: the next request would be an invocation.
            finding=Finding(by_resizer=shares_store),
            unwritten=unwritten,
            memory=common.memory,
        )
        coalescer = _coalescer(parts, tracing, load, settings, catalogue)
        stack.push_async_callback(_end, coalescer, unwritten, grace_s=settings.shutdown_grace / 3)
        required: dict[str, Probe] = {"s3": store, resizer_name(settings): resizer}
        await stack.enter_async_context(
            polishing(
                later,
                shared,
                settings,
                catalogue=catalogue,
                previews=previews,
                polisher=resizer,
                load=load,
                purger=purger,
            )
        )
        sheet = await stack.enter_async_context(_sheet(settings, catalogue, watch, coalescer)) if watch else None
        provider = _provider(settings, catalogue, coalescer, traced)
        provider = KeptBriefly(provider, most_s=KEPT_BRIEFLY_S) if later else provider
        probes, site, around = shared.probes, settings.identity, _middlewares(settings, tracing)
        changed = ChangedPhotos(purger, shared.outdated, catalogue, again_s=settings.lock_ttl)
        yield Service(
            catalogue,
            coalescer,
            provider,
            traced,
            metrics,
            required,
            probes,
            site,
            sheet,
            around,
            changed,
            bucket=settings.source_bucket,
        )


def _coalescer(parts: FlightParts, tracing: Tracing, load: Load, settings: Settings, catalogue: Catalogue) -> Coalescer:
    return Coalescer(
        parts,
        tracer=tracing.flights,
        load=load,
        max_flights=flights_at_once(settings),
        companions=catalogue.companions,
    )


def _watch(observer: FlightObserver, shared: Shared, settings: Settings) -> FlightWatch | None:
    return FlightWatch(observer, Replica.this(settings.port), shared.relay) if settings.contact_sheet else None


def _middlewares(settings: Settings, tracing: Tracing) -> Sequence[Middleware]:
    own = [*settings.hosts.split(), *hosts_of_sources(settings)] if settings.hosts else []
    names = [own_names_only(own)] if own else []
    return [*names, *tracing.middlewares]


@contextlib.asynccontextmanager
async def _tracing(settings: Settings) -> AsyncIterator[Tracing]:
    if settings.otlp_endpoint is None:
        yield NoTracing()
        return
    # It checks some of its variables when it is imported, which is only here: it is an optional dependency.
    with refusals(OPENTELEMETRY):
        from prewmanager.adapters.otel.tracing import otel_tracing  # noqa: PLC0415 -- see above

    async with otel_tracing(flush_s=settings.shutdown_grace / 6) as tracing:
        yield tracing


def _store(settings: Settings, bucket_name: str) -> S3PreviewStore:
    bucket = s3_store(
        bucket_name,
        region=settings.aws_region,
        endpoint_url=settings.s3_endpoint,
        timeout_s=settings.invoke_timeout / 3,
    )
    return S3PreviewStore(bucket, max_body_bytes=settings.max_result_bytes, unseen_s=unseen_s(settings))


async def _end(coalescer: Coalescer, unwritten: UnwrittenPreviews, *, grace_s: float) -> None:
    """End the flights, and then, in what is left of the grace, the writes of the workers, which end after that."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + grace_s
    await coalescer.close(grace_s)
    await unwritten.close(max(0.0, ends - loop.time()))


def _limited(innermost: Resizer, photos: Photos, load: Load, quota: Quota | None, settings: Settings) -> Resizer:
    """Have the resizer record photos' faults, and wrap it as `resizing.limits` describes."""
    recording = PhotoFaultsResizer(innermost, photos, slow_s=settings.lambda_timeout / 2)
    concurrency_limited = ConcurrencyLimitedResizer(recording, load, max_wait_s=settings.invoke_timeout / 2)
    retrying = RetryingResizer(concurrency_limited, within_s=settings.invoke_timeout / 2)
    return RateLimitedResizer(retrying, quota) if quota else retrying


@contextlib.asynccontextmanager
async def _sheet(
    settings: Settings, catalogue: Catalogue, watch: FlightWatch, coalescer: Coalescer
) -> AsyncIterator[ContactSheet]:
    # Imported only here: the AWS SDK takes more memory than the rest of the service, and only listings need it.
    from prewmanager.adapters.aws.s3_inventory import S3Inventory, s3_client  # noqa: PLC0415 -- see above

    async with (
        s3_client(region=settings.aws_region, endpoint_url=settings.s3_endpoint) as client,
        watch.running(coalescer.in_flight),
    ):
        finder = PhotoFinder(S3Inventory(client, settings.source_bucket), catalogue)
        yield ContactSheet(settings.presets, catalogue, finder, watch)


def _provider(settings: Settings, catalogue: Catalogue, coalescer: Coalescer, store: PreviewStore) -> PreviewProvider:
    if settings.fallback_after is None:
        return coalescer
    return FallbackPreviews(coalescer, FallbackFinder(catalogue, store), after_s=settings.fallback_after)
