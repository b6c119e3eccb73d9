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

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from prewmanager.adapters.fallback_board import FallbackBoard
from prewmanager.adapters.lambda_resizer import LambdaResizer, lambda_client
from prewmanager.adapters.local_board import LocalBoard
from prewmanager.adapters.redis_board import CHANNEL, RedisBoard
from prewmanager.adapters.redis_news import RedisNews
from prewmanager.adapters.resize_contract import ResizeContract
from prewmanager.adapters.s3_store import S3PreviewStore, s3_store
from prewmanager.coalescer import Coalescer, Lifetimes, Timing
from prewmanager.errors import OriginalMissing, OriginalRejected, failure_classes
from prewmanager.ports import FlightBoard, Probe, Resizer
from prewmanager.preview import Catalogue
from prewmanager.settings import Settings
from prewmanager.telemetry import Metrics
from prewmanager.web import Service

_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def running_service(settings: Settings) -> AsyncIterator[Service]:
    """The service with everything it needs; closed in reverse order, flights first."""
    metrics = Metrics()
    probes: dict[str, Probe] = {}
    async with contextlib.AsyncExitStack() as stack:
        store = S3PreviewStore(
            s3_store(
                settings.bucket_of_previews,
                region=settings.aws_region,
                endpoint_url=settings.s3_endpoint,
                timeout_s=settings.invoke_timeout / 3,
            ),
            max_body_bytes=settings.max_result_bytes,
        )
        probes["s3"] = store
        resizer = await stack.enter_async_context(_resizer(settings, probes))
        board = await stack.enter_async_context(_board(settings, metrics, probes))
        coalescer = Coalescer(
            board=board,
            resizer=resizer,
            store=store,
            observer=metrics,
            timing=_timing(settings),
            lifetimes=_lifetimes(settings),
            max_flights=settings.max_flights,
        )
        stack.push_async_callback(coalescer.close, grace_s=settings.shutdown_grace / 2)
        catalogue = Catalogue(settings.presets, settings.source_prefix, settings.preview_prefix)
        yield Service(catalogue, coalescer, store, metrics, probes)


@contextlib.asynccontextmanager
async def _resizer(settings: Settings, probes: dict[str, Probe]) -> AsyncIterator[Resizer]:
    contract = ResizeContract(
        source_bucket=settings.source_bucket,
        preview_bucket=settings.bucket_of_previews,
        source_prefix=settings.source_prefix,
        preview_prefix=settings.preview_prefix,
        cache_control=settings.cache_control,
    )
    if settings.lambda_function is None:
        # Imported only here: what worker processes need is an extra, and a service with Lambda goes without.
        from prewmanager.adapters.local_resizer import LocalResizer  # noqa: PLC0415 -- see above

        _log.warning("resizer.local", reason="PREW_LAMBDA_FUNCTION is not set", workers=settings.resize_workers)
        local = LocalResizer(contract, workers=settings.resize_workers, timeout_s=settings.invoke_timeout)
        probes["workers"] = local
        try:
            yield local
        finally:
            await local.close()
        return
    client = lambda_client(
        region=settings.aws_region,
        endpoint_url=settings.lambda_endpoint,
        connect_s=1,
        read_s=settings.invoke_timeout,
        max_connections=settings.max_invocations,
    )
    async with client as made:
        remote = LambdaResizer(made, settings.lambda_function, contract, settings.max_invocations)
        probes["lambda"] = remote
        yield remote


@contextlib.asynccontextmanager
async def _board(settings: Settings, metrics: Metrics, probes: dict[str, Probe]) -> AsyncIterator[FlightBoard]:
    alone = LocalBoard(lease_s=settings.lock_ttl)
    if settings.redis_url is None:
        _log.warning("board.local", reason="PREW_REDIS_URL is not set", coalescing="inside this process only")
        yield alone
        return
    async with _redis(settings.redis_url) as redis:
        news = RedisNews(redis, CHANNEL)
        shared = RedisBoard(
            redis,
            news,
            namespace=settings.bucket_of_previews,
            lease_s=settings.lease,
            max_body_bytes=settings.max_result_bytes,
        )
        probes["redis"] = shared
        board = FallbackBoard(shared, alone, probe_every_s=0.5, on_change=metrics.shared)
        metrics.shared(together=True)
        async with news.listening(), board.running():
            yield board


def _redis(url: str) -> Redis:
    # A request must not wait long for a Redis that is not there: one quick retry, then the process goes on alone.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=64,
        timeout=1,
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(ExponentialWithJitterBackoff(base=0.01, cap=0.05), retries=1),
    )
    return Redis.from_pool(pool)


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
