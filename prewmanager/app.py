"""The composition root: every part is made here, in the order in which they need each other.

A request's way through them:

1. nginx found no preview in S3 and hands over the request; `web` makes a preview's name of its path.
2. The coalescer lets it join the flight for that preview in this process, or starts one.
3. The flight claims the preview on the board: Redis, shared by all replicas, or this process's own memory while Redis
   is away or not configured.
4. Whoever wins looks at S3 once more, has the resizer make what is missing, and settles the flight with the result.
5. Everybody who waits, here or in another replica, gets that result; from then on S3 answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from prewmanager.adapters.fallback import FallbackBoard, FallbackQuota
from prewmanager.adapters.lambda_calls import lambda_calls
from prewmanager.adapters.lambda_resizer import LambdaResizer
from prewmanager.adapters.local_board import LocalBoard
from prewmanager.adapters.quotas import LocalQuota, RedisQuota
from prewmanager.adapters.redis_board import CHANNEL, RedisBoard
from prewmanager.adapters.redis_connect import connect
from prewmanager.adapters.redis_link import RedisLink
from prewmanager.adapters.redis_news import RedisNews
from prewmanager.adapters.redis_relay import RedisRelay
from prewmanager.adapters.resize_contract import ResizeContract
from prewmanager.adapters.s3_store import S3PreviewStore, s3_store
from prewmanager.coalescer import Coalescer
from prewmanager.contact_sheet.photos import PhotoFinder
from prewmanager.contact_sheet.reports import Replica
from prewmanager.contact_sheet.routes import ContactSheet
from prewmanager.contact_sheet.watch import FlightWatch, Relay
from prewmanager.errors import OriginalMissing, OriginalRejected, failure_classes
from prewmanager.load import Load
from prewmanager.nearest import Nearest
from prewmanager.ports import FlightBoard, Ledger, PreviewStore, Probe, Quota, Resizer
from prewmanager.preview import Catalogue
from prewmanager.resizers import BoundedResizer, PatientResizer, RationedResizer
from prewmanager.settings import Settings
from prewmanager.telemetry import Metrics
from prewmanager.timing import Lifetimes, Timing
from prewmanager.tracing import NoTracing, Tracing
from prewmanager.web import Service

_log = structlog.get_logger(__name__)


class ReadyStore(PreviewStore, Probe, Protocol):
    """A store that can say whether it is there."""


@contextlib.asynccontextmanager
async def running_service(settings: Settings, store: ReadyStore | None = None) -> AsyncIterator[Service]:
    """The service with everything it needs; closed in reverse order, flights first.

    `store` replaces the one that flights look into before anything is made.
    """
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(metrics.settle)
        tracing = await stack.enter_async_context(_tracing(settings))
        store = store or _store(settings)
        at_once = settings.max_invocations if settings.lambda_function else settings.resize_workers
        load = Load(at_once, on_change=metrics.load_is)
        last = await stack.enter_async_context(last_resizer(settings, metrics.usage))
        shared = await stack.enter_async_context(_shared(settings, metrics, tracing))
        watch = FlightWatch(metrics, Replica.this(settings.port), shared.relay) if settings.contact_sheet else None
        catalogue = Catalogue(settings.variants, settings.source_prefix, settings.preview_prefix)
        after_s, traced = settings.nearest_after, tracing.store(store)
        coalescer = Coalescer(
            board=shared.board,
            resizer=_wrapped(tracing.resizer(last), load, shared.quota, settings),
            store=traced,
            observer=watch or metrics,
            timing=_timing(settings),
            lifetimes=_lifetimes(settings),
            load=load,
            max_flights=settings.max_flights,
            flight=tracing.flight,
            siblings=catalogue.siblings,
            nearest=None if after_s is None else Nearest(catalogue, traced, after_s=after_s),
        )
        stack.push_async_callback(coalescer.close, grace_s=settings.shutdown_grace / 3)
        needed: dict[str, Probe] = {"s3": store, "lambda" if settings.lambda_function else "workers": last}
        sheet = await stack.enter_async_context(_sheet(settings, catalogue, watch, coalescer)) if watch else None
        yield Service(catalogue, coalescer, traced, metrics, needed, shared.probes, sheet, tracing.middlewares)


@contextlib.asynccontextmanager
async def _tracing(settings: Settings) -> AsyncIterator[Tracing]:
    if settings.otlp_endpoint is None:
        yield NoTracing()
        return
    # Imported only here: it is an extra.
    from prewmanager.adapters.otel_tracing import otel_tracing  # noqa: PLC0415 -- see above

    async with otel_tracing(flush_s=settings.shutdown_grace / 6) as tracing:
        yield tracing


def _store(settings: Settings) -> S3PreviewStore:
    bucket = s3_store(
        settings.bucket_of_previews,
        region=settings.aws_region,
        endpoint_url=settings.s3_endpoint,
        timeout_s=settings.invoke_timeout / 3,
    )
    return S3PreviewStore(bucket, max_body_bytes=settings.max_result_bytes)


class ReadyResizer(Resizer, Probe, Protocol):
    """A resizer that can say whether it is there."""


@contextlib.asynccontextmanager
async def last_resizer(settings: Settings, ledger: Ledger) -> AsyncIterator[ReadyResizer]:
    """What really makes the previews: Lambda, or worker processes where no function is set."""
    contract = ResizeContract(
        source_bucket=settings.source_bucket,
        preview_bucket=settings.bucket_of_previews,
        source_prefix=settings.source_prefix,
        preview_prefix=settings.preview_prefix,
        cache_control=settings.cache_control,
        thumbhash=settings.thumbhash,
    )
    if settings.lambda_function is None:
        # Imported only here: what worker processes need is an extra, and a service with Lambda goes without.
        from prewmanager.adapters.local_resizer import LocalResizer  # noqa: PLC0415 -- see above

        _log.warning("resizer.local", reason="PREW_LAMBDA_FUNCTION is not set", workers=settings.resize_workers)
        local = LocalResizer(contract, workers=settings.resize_workers, timeout_s=settings.invoke_timeout)
        async with contextlib.aclosing(local):
            yield local
        return
    opened = lambda_calls(
        settings.lambda_function,
        region=settings.aws_region,
        endpoint_url=settings.lambda_endpoint,
        connect_s=1,
        read_s=settings.invoke_timeout,
        max_connections=settings.max_invocations,
    )
    async with opened as calls:
        yield LambdaResizer(calls, contract, ledger)


def _wrapped(last: Resizer, load: Load, quota: Quota | None, settings: Settings) -> Resizer:
    """The ration outermost: it counts previews, not tries. The bound innermost: no pause between tries holds it."""
    bounded = BoundedResizer(last, load, longest_wait_s=settings.invoke_timeout / 2)
    patient = PatientResizer(bounded, within_s=settings.invoke_timeout / 2)
    return RationedResizer(patient, quota) if quota else patient


@dataclass(frozen=True)
class _Shared:
    """What replicas have in common, and what tells whether it is there."""

    board: FlightBoard
    quota: Quota | None
    probes: dict[str, Probe]
    relay: Relay | None = None


@contextlib.asynccontextmanager
async def _shared(settings: Settings, metrics: Metrics, tracing: Tracing) -> AsyncIterator[_Shared]:
    """Board and quota: in Redis, with this process's own ones in reserve, or these alone."""
    alone = LocalBoard(lease_s=settings.lock_ttl)
    rate = settings.max_resizes_per_second
    ration = None if rate is None else LocalQuota(rate, settings.resize_burst)
    if settings.redis_url is None:
        _log.warning("board.local", reason="PREW_REDIS_URL is not set", coalescing="inside this process only")
        yield _Shared(alone, ration, {})
        return
    namespace = settings.bucket_of_previews
    async with connect(settings.redis_url) as redis:
        news = RedisNews(redis, CHANNEL)
        board = RedisBoard(
            redis, news, namespace=namespace, lease_s=settings.lease, max_body_bytes=settings.max_result_bytes
        )
        link = RedisLink(board.ping, probe_every_s=0.5, on_change=metrics.redis_is)
        quota = None
        if rate is not None and ration is not None:
            quota = FallbackQuota(RedisQuota(redis, namespace, rate, settings.resize_burst), ration, link)
        metrics.redis_is(up=True)
        async with news.listening(), link.watched():
            relay = RedisRelay(redis, namespace=namespace) if settings.contact_sheet else None
            yield _Shared(FallbackBoard(tracing.board(board), alone, link), quota, {"redis": board}, relay)


@contextlib.asynccontextmanager
async def _sheet(
    settings: Settings, catalogue: Catalogue, watch: FlightWatch, coalescer: Coalescer
) -> AsyncIterator[ContactSheet]:
    # Imported only here: the AWS SDK takes more memory than the rest of the service, and only listings need it.
    from prewmanager.adapters.s3_inventory import S3Inventory, s3_client  # noqa: PLC0415 -- see above

    async with (
        s3_client(region=settings.aws_region, endpoint_url=settings.s3_endpoint) as client,
        watch.running(coalescer.under_way),
    ):
        finder = PhotoFinder(S3Inventory(client, settings.source_bucket), catalogue)
        yield ContactSheet(settings.presets, catalogue, finder, watch)


def _timing(settings: Settings) -> Timing:
    return Timing(
        lease_s=settings.lease,
        lock_ttl_s=settings.lock_ttl,
        invoke_s=settings.invoke_timeout,
        wait_s=settings.wait_timeout,
    )


def _lifetimes(settings: Settings) -> Lifetimes:
    by_kind = {}
    for kind, failure in failure_classes().items():
        if issubclass(failure, OriginalMissing):
            by_kind[kind] = settings.missing_ttl
        elif issubclass(failure, OriginalRejected):
            by_kind[kind] = settings.rejected_ttl
        else:
            by_kind[kind] = settings.transient_ttl
    return Lifetimes(settings.result_ttl, by_kind)
