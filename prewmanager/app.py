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

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from prewmanager.adapters.aws.lambda_client import open_lambda_client
from prewmanager.adapters.aws.lambda_resizer import LambdaResizer
from prewmanager.adapters.aws.s3_store import S3PreviewStore, s3_store
from prewmanager.adapters.memory_faults import MemoryPhotoFaults
from prewmanager.adapters.memory_quota import MemoryQuota
from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.adapters.opening import refusals
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.fallback import FallbackFlightStore, FallbackQuota
from prewmanager.adapters.redis.flight_store import CHANNEL, RedisFlightStore
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.adapters.redis.photo_faults import FallbackPhotoFaults, RedisPhotoFaults
from prewmanager.adapters.redis.quota import RedisQuota
from prewmanager.adapters.redis.relay import RedisRelay
from prewmanager.adapters.redis.server_info import watching_evictions
from prewmanager.adapters.redis.sites import announcing
from prewmanager.config.names import is_amazons
from prewmanager.config.settings import Settings, is_installed
from prewmanager.errors import InvalidSettings, PhotoRejected, PhotoTooSlow, failure_classes
from prewmanager.flights.ability import Ability
from prewmanager.flights.coalescer import Coalescer
from prewmanager.flights.flight import FlightParts
from prewmanager.flights.lease import Lifetimes, Timing
from prewmanager.flights.memory import ResultMemory
from prewmanager.flights.placeholder import FallbackFinder, FallbackPreviews
from prewmanager.flights.ports import FlightStore
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.ports import PreviewStore
from prewmanager.resizing.contract import ResizeContract
from prewmanager.resizing.limits import ConcurrencyLimitedResizer, RateLimitedResizer, RetryingResizer
from prewmanager.resizing.load import Load
from prewmanager.resizing.photo_faults import FaultTimes
from prewmanager.resizing.photos import PhotoFaultsResizer, Photos
from prewmanager.resizing.ports import CostMeter, PhotoFaults, Quota, Resizer
from prewmanager.telemetry.metrics import Metrics
from prewmanager.telemetry.tracing import NoTracing, Tracing
from prewmanager.web.app import Service
from prewmanager.web.contact_sheet.photos import PhotoFinder
from prewmanager.web.contact_sheet.reports import Replica
from prewmanager.web.contact_sheet.routes import ContactSheet
from prewmanager.web.contact_sheet.watch import FlightWatch
from prewmanager.web.ports import PreviewProvider, Probe, Relay

_UNSEEN_S = 10.0  # Amazon's S3 shows at once what was written; some stores need seconds
_RESULTS_IN_MEMORY = 64  # of the largest size at once; further ones are streamed from S3
_log = structlog.get_logger(__name__)


class ReadyStore(PreviewStore, Probe, Protocol):
    """A store with a readiness probe."""


class ReadyResizer(Resizer, Probe, Protocol):
    """A resizer with a readiness probe."""


@contextlib.asynccontextmanager
async def running_service(settings: Settings, store: ReadyStore | None = None) -> AsyncIterator[Service]:
    """Run the service with everything it needs; close the parts in reverse order, flights first.

    `store` replaces S3 as the store of the existence checks.
    """
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(metrics.flush)
        tracing = await stack.enter_async_context(_tracing(settings))
        store = store or _store(settings, settings.preview_bucket_name)
        traced = tracing.store(store)
        load = Load(
            settings.max_invocations if settings.lambda_function else settings.resize_workers,
            on_change=metrics.load_is,
        )
        resizer = await stack.enter_async_context(innermost_resizer(settings, metrics.costs))
        shared = await stack.enter_async_context(_shared(settings, metrics, tracing))
        photos = Photos(shared.photo_faults, _store(settings, settings.source_bucket))
        recording = PhotoFaultsResizer(tracing.resizer(resizer), photos, slow_s=settings.lambda_timeout / 2)
        watch = FlightWatch(metrics, Replica.this(settings.port), shared.relay) if settings.contact_sheet else None
        catalogue = Catalogue(settings.variants, settings.source_prefix, settings.preview_prefix)
        parts = FlightParts(
            flight_store=shared.flight_store,
            store=traced,
            photos=photos,
            resizer=_limited(recording, load, shared.quota, settings),
            observer=watch or metrics,
            timing=_timing(settings),
            lifetimes=_lifetimes(settings),
            ability=Ability(),
            memory=ResultMemory(_RESULTS_IN_MEMORY * settings.max_result_bytes, metrics.results_hold),
        )
        coalescer = Coalescer(
            parts,
            tracer=tracing.flights,
            load=load,
            max_flights=settings.max_flights,
            companions=catalogue.companions,
        )
        stack.push_async_callback(coalescer.close, grace_s=settings.shutdown_grace / 3)
        required: dict[str, Probe] = {"s3": store, "lambda" if settings.lambda_function else "workers": resizer}
        sheet = await stack.enter_async_context(_sheet(settings, catalogue, watch, coalescer)) if watch else None
        provider = _provider(settings, catalogue, coalescer, traced)
        yield Service(
            catalogue, coalescer, provider, traced, metrics, required, shared.probes, sheet, tracing.middlewares
        )


@contextlib.asynccontextmanager
async def _tracing(settings: Settings) -> AsyncIterator[Tracing]:
    if settings.otlp_endpoint is None:
        yield NoTracing()
        return
    # It checks some of its variables when it is imported, which is only here: it is an optional dependency.
    with refusals("OTEL_…: OpenTelemetry cannot start with its variables"):
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
    return S3PreviewStore(bucket, max_body_bytes=settings.max_result_bytes, unseen_s=_unseen_s(settings))


@contextlib.asynccontextmanager
async def innermost_resizer(settings: Settings, cost_meter: CostMeter) -> AsyncIterator[ReadyResizer]:
    """Open the resizer that renders: Lambda, or worker processes if no function is configured."""
    contract = ResizeContract(
        source_bucket=settings.source_bucket,
        preview_bucket=settings.preview_bucket_name,
        source_prefix=settings.source_prefix,
        preview_prefix=settings.preview_prefix,
        cache_control=settings.cache_control,
        thumbhash=settings.thumbhash,
    )
    if settings.lambda_function is None:
        require_workers(settings)
        # Imported only here: the worker processes' dependencies are optional, and a service with Lambda needs none.
        from prewmanager.adapters.local_resizer import LocalResizer  # noqa: PLC0415 -- see above

        _log.warning("resizer.in_process", reason="PREW_LAMBDA_FUNCTION is not set", workers=settings.resize_workers)
        local = LocalResizer(contract, workers=settings.resize_workers, timeout_s=settings.lambda_timeout)
        async with contextlib.aclosing(local):
            yield local
        return
    opened = open_lambda_client(
        settings.lambda_function,
        region=settings.aws_region,
        endpoint_url=settings.lambda_endpoint,
        connect_s=1,
        read_s=settings.invoke_timeout,
        max_connections=settings.max_invocations,
    )
    async with opened as client:
        yield LambdaResizer(client, contract, cost_meter)


def require_workers(settings: Settings) -> None:
    """Raise `InvalidSettings` if previews are to be rendered by worker processes, and what these need is missing."""
    missing = [name for name in ("pebble", "pyvips") if not is_installed(name)]
    if settings.lambda_function is None and missing:
        needs = f"PREW_LAMBDA_FUNCTION is not set, and {' and '.join(missing)} not installed, which workers need"
        raise InvalidSettings([f"{needs}: pip install 'prewmanager[resize]', or set it to a function's name"])


def _limited(innermost: Resizer, load: Load, quota: Quota | None, settings: Settings) -> Resizer:
    """Wrap the resizer as `resizing.limits` describes."""
    concurrency_limited = ConcurrencyLimitedResizer(innermost, load, max_wait_s=settings.invoke_timeout / 2)
    retrying = RetryingResizer(concurrency_limited, within_s=settings.invoke_timeout / 2)
    return RateLimitedResizer(retrying, quota) if quota else retrying


@dataclass(frozen=True)
class _Shared:
    """What replicas share, with its readiness probes."""

    flight_store: FlightStore
    photo_faults: PhotoFaults
    quota: Quota | None
    probes: dict[str, Probe]
    relay: Relay | None = None


@contextlib.asynccontextmanager
async def _shared(settings: Settings, metrics: Metrics, tracing: Tracing) -> AsyncIterator[_Shared]:
    """Open the flight store and quota: in Redis with this process's memory as fallback, or in memory alone."""
    alone, times = MemoryFlightStore(lease_s=settings.lock_ttl), _fault_times(settings)
    faults_alone = MemoryPhotoFaults(times)
    rate = settings.max_resizes_per_second
    own_quota = None if rate is None else MemoryQuota(rate, settings.resize_burst)
    if settings.redis_url is None:
        _log.warning(
            "flight_store.in_memory", reason="PREW_REDIS_URL is not set", coalescing="inside this process only"
        )
        yield _Shared(alone, faults_alone, own_quota, {})
        return
    namespace = settings.namespace
    async with connect(
        settings.redis_url, on_change=metrics.redis_is, password_file=settings.redis_password_file
    ) as redis:
        notifications = RedisNotifications(redis, CHANNEL)
        flight_store = RedisFlightStore(
            redis,
            notifications,
            namespace=namespace,
            lease_s=settings.lease,
            lock_ttl_s=settings.lock_ttl,
            longest_result_s=_lifetimes(settings).longest_s,
            max_body_bytes=settings.max_result_bytes,
        )
        quota = None
        if rate is not None and own_quota is not None:
            quota = FallbackQuota(RedisQuota(redis, namespace, rate, settings.resize_burst), own_quota)
        metrics.redis_is(up=True)
        async with (
            notifications.listening(),
            watching_evictions(redis, metrics.redis_has_evicted),
            announcing(redis, f"{namespace}/{settings.preview_prefix}", settings.site),
        ):
            shared = FallbackFlightStore(
                tracing.flight_store(flight_store), alone, lease_s=settings.lease, on_alone=metrics.flight_is_alone
            )
            relay = RedisRelay(redis, namespace=namespace) if settings.contact_sheet else None
            faults = FallbackPhotoFaults(RedisPhotoFaults(redis, namespace=namespace, times=times), faults_alone)
            yield _Shared(shared, faults, quota, {"redis": flight_store}, relay)


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


def _timing(settings: Settings) -> Timing:
    return Timing(
        lease_s=settings.lease,
        lock_ttl_s=settings.lock_ttl,
        invoke_s=settings.invoke_timeout,
        wait_s=settings.wait_timeout,
    )


def _lifetimes(settings: Settings) -> Lifetimes:
    # What every preset of a photo has in common is kept under the photo's own key (`_fault_times`).
    times, by_kind = _fault_times(settings).by_kind, {}
    for kind, failure in failure_classes().items():
        if kind in times:
            by_kind[kind] = min(settings.transient_ttl, times[kind])
        elif issubclass(failure, PhotoRejected) and failure is not PhotoTooSlow:
            by_kind[kind] = settings.rejected_ttl
        else:
            by_kind[kind] = settings.transient_ttl
    return Lifetimes(settings.result_ttl, by_kind, _unseen_s(settings))


def _fault_times(settings: Settings) -> FaultTimes:
    return FaultTimes(
        missing_s=settings.missing_ttl, hidden_s=settings.missing_ttl / 6, changed_s=settings.invoke_timeout
    )


def _unseen_s(settings: Settings) -> float:
    """Return how many seconds after a preview was written the bucket may not show it yet."""
    return 0.0 if is_amazons(settings.s3_endpoint) else _UNSEEN_S
