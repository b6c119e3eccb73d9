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
from typing import Protocol

import structlog
from aiohttp.typedefs import Middleware

from prewmanager.adapters.aws.lambda_client import open_lambda_client
from prewmanager.adapters.aws.lambda_resizer import LambdaResizer
from prewmanager.adapters.aws.s3_store import S3PreviewStore, s3_store
from prewmanager.adapters.http_limits import Limits
from prewmanager.adapters.opening import OPENTELEMETRY, refusals
from prewmanager.adapters.resize_http.resizer import open_http_resizer
from prewmanager.config.environment import require_resize_packages
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
from prewmanager.resizing.contract import ResizeContract
from prewmanager.resizing.limits import ConcurrencyLimitedResizer, RateLimitedResizer, RetryingResizer
from prewmanager.resizing.load import Load
from prewmanager.resizing.photos import PhotoFaultsResizer, Photos
from prewmanager.resizing.polish import Polisher
from prewmanager.resizing.ports import CostMeter, Quota, Resizer
from prewmanager.shared import Shared, opened_shared
from prewmanager.sizes import flights_at_once, renderings_at_once
from prewmanager.telemetry.metrics import Metrics
from prewmanager.telemetry.tracing import NoTracing, Tracing
from prewmanager.times import KEPT_BRIEFLY_S, UNWRITTEN_S, lifetimes, timing, unseen_s
from prewmanager.web.app import Service
from prewmanager.web.contact_sheet.photos import PhotoFinder
from prewmanager.web.contact_sheet.reports import Replica
from prewmanager.web.contact_sheet.routes import ContactSheet
from prewmanager.web.contact_sheet.watch import FlightWatch
from prewmanager.web.hosts import own_names_only
from prewmanager.web.ports import PreviewProvider, Probe
from prewmanager_presets import Effort

_RESULTS_IN_MEMORY = 64  # of the largest size at once; further ones are streamed from S3
_log = structlog.get_logger(__name__)


class ReadyStore(PreviewStore, Probe, Protocol):
    """A store with a readiness probe."""


class ReadyResizer(Resizer, Polisher, Probe, Protocol):
    """A resizer with a readiness probe, which polishes too."""


@contextlib.asynccontextmanager
async def running_service(
    settings: Settings, store: ReadyStore | None = None, *, effort: Effort | None = None
) -> AsyncIterator[Service]:
    """Run the service with everything it needs; close the parts in reverse order, flights first.

    `store` replaces S3 as the store of the existence checks, `effort` the encoders' effort of all presets.
    """
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(metrics.flush)
        tracing = await stack.enter_async_context(_tracing(settings))
        shares_store = store is None and settings.redis_url is not None
        previews = _store(settings, settings.preview_bucket_name)
        store = store or previews
        traced = tracing.store(store)
        load = Load(renderings_at_once(settings), on_change=metrics.load_is)
        resizer = await stack.enter_async_context(innermost_resizer(settings, metrics.costs, effort=effort))
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
            memory=ResultMemory(_RESULTS_IN_MEMORY * settings.max_result_bytes, metrics.results_hold),
        )
        coalescer = _coalescer(parts, tracing, load, settings, catalogue)
        stack.push_async_callback(_end, coalescer, unwritten, grace_s=settings.shutdown_grace / 3)
        required: dict[str, Probe] = {"s3": store, _resizer_name(settings): resizer}
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
        yield Service(catalogue, coalescer, provider, traced, metrics, required, probes, site, sheet, around, changed)


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
    names = [own_names_only(settings.hosts.split())] if settings.hosts else []
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


@contextlib.asynccontextmanager
async def innermost_resizer(
    settings: Settings, cost_meter: CostMeter, *, effort: Effort | None = None
) -> AsyncIterator[ReadyResizer]:
    """Open the resizer that renders: Lambda, or worker processes if no function is configured.

    `effort`: of the encoders, whatever the presets say.
    """
    contract = ResizeContract(
        source_bucket=settings.source_bucket,
        preview_bucket=settings.preview_bucket_name,
        layout=settings.layout,
        cache_control=settings.cache_control,
        thumbhash=settings.thumbhash,
        max_result_bytes=settings.max_result_bytes,
        unwritten_s=UNWRITTEN_S,
        effort=effort,
    )
    limits = Limits(
        connect_s=1, read_s=settings.invoke_timeout, connections=renderings_at_once(settings) + settings.polish
    )
    if settings.lambda_function is not None:
        region, endpoint = settings.aws_region, settings.lambda_endpoint
        opened = open_lambda_client(settings.lambda_function, region=region, endpoint_url=endpoint, limits=limits)
        async with opened as client:
            yield LambdaResizer(client, contract, cost_meter)
    elif settings.resizer_url is not None:
        token = settings.resizer_token.get_secret_value() if settings.resizer_token else ""
        async with open_http_resizer(settings.resizer_url, contract, token=token, limits=limits) as server:
            yield server
    else:
        async with _workers(settings, contract) as local:
            yield local


@contextlib.asynccontextmanager
async def _workers(settings: Settings, contract: ResizeContract) -> AsyncIterator[ReadyResizer]:
    require_workers(settings)
    # Imported only here: the worker processes' dependencies are optional, and a service with Lambda needs none.
    from prewmanager.adapters.local_resizer import LocalResizer  # noqa: PLC0415 -- see above
    from prewmanager.adapters.worker_pool import WorkerPool  # noqa: PLC0415 -- see above

    _log.warning("resizer.in_process", reason="PREW_LAMBDA_FUNCTION is not set", workers=settings.resize_workers)
    pool = WorkerPool(workers=settings.resize_workers, timeout_s=settings.lambda_timeout)
    async with contextlib.aclosing(LocalResizer(contract, pool)) as local:
        yield local


def _resizer_name(settings: Settings) -> str:
    return "workers" if settings.has_workers else "lambda" if settings.lambda_function else "resize_server"


def require_workers(settings: Settings) -> None:
    """Raise `InvalidSettings` if previews are to be rendered by worker processes, and what these need is missing."""
    if settings.has_workers:
        require_resize_packages("PREW_LAMBDA_FUNCTION is not set", ", or set it to a function's name")


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
