"""What the replicas of one site share: in Redis with this process's memory as fallback, or in memory alone."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from prewmanager.adapters.memory_faults import MemoryPhotoFaults
from prewmanager.adapters.memory_outdated import MemoryOutdatedPhotos
from prewmanager.adapters.memory_quota import MemoryQuota
from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.fallback import FallbackFlightStore, FallbackQuota
from prewmanager.adapters.redis.flight_store import RedisFlightStore
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.adapters.redis.outdated_photos import RedisOutdatedPhotos
from prewmanager.adapters.redis.photo_faults import FallbackPhotoFaults, RedisPhotoFaults
from prewmanager.adapters.redis.polish_queue import RedisPolishQueue
from prewmanager.adapters.redis.quota import RedisQuota
from prewmanager.adapters.redis.relay import RedisRelay
from prewmanager.adapters.redis.server_info import watching_evictions
from prewmanager.adapters.redis.sites import announcing
from prewmanager.config.settings import Settings
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import FlightStore
from prewmanager.polishing.ports import PolishQueue
from prewmanager.purging.ports import OutdatedPhotos
from prewmanager.resizing.ports import PhotoFaults, Quota
from prewmanager.tasks import background
from prewmanager.telemetry.metrics import Metrics
from prewmanager.telemetry.tracing import Tracing
from prewmanager.times import UNWRITTEN_S, fault_times, lifetimes
from prewmanager.web.ports import Probe, Relay

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SharedPolish:
    """What waits to be polished, and how fast all replicas together do it."""

    queue: PolishQueue
    rate: Quota


@dataclass(frozen=True)
class Shared:
    """What replicas share, with its readiness probes."""

    flight_store: FlightStore
    photo_faults: PhotoFaults
    quota: Quota | None
    probes: dict[str, Probe]
    relay: Relay | None = None
    polish: SharedPolish | None = None
    outdated: OutdatedPhotos = field(default_factory=MemoryOutdatedPhotos)


@contextlib.asynccontextmanager
async def opened_shared(settings: Settings, metrics: Metrics, tracing: Tracing) -> AsyncIterator[Shared]:
    """Open the flight store, the quota, and what is known of photos."""
    times, alone = fault_times(settings), MemoryFlightStore(lease_s=settings.lock_ttl)
    faults = MemoryPhotoFaults(times)
    if settings.redis_url is None:
        _log.warning(
            "flight_store.in_memory", reason="PREW_REDIS_URL is not set", coalescing="inside this process only"
        )
        yield Shared(alone, faults, _quota(settings, None), {})
        return
    async with connect(
        settings.redis_url, on_change=metrics.redis_is, password_file=settings.redis_password_file
    ) as redis:
        metrics.redis_is(up=False)
        notifications = RedisNotifications(redis)
        store = _redis_store(settings, redis, notifications)
        async with (
            background(_reached(store, metrics), "first contact with Redis"),
            notifications.listening(),
            watching_evictions(redis, metrics.redis_has_evicted),
            announcing(redis, f"{settings.namespace}/{settings.preview_prefix}", settings.site),
        ):
            yield Shared(
                FallbackFlightStore(
                    tracing.flight_store(store), alone, lease_s=settings.lease, on_alone=metrics.flight_is_alone
                ),
                FallbackPhotoFaults(RedisPhotoFaults(redis, namespace=settings.namespace, times=times), faults),
                _quota(settings, redis),
                {"redis": store},
                RedisRelay(redis, namespace=settings.namespace) if settings.contact_sheet else None,
                _polish(settings, redis) if settings.polish else None,
                RedisOutdatedPhotos(redis, namespace=settings.namespace),
            )


async def _reached(store: RedisFlightStore, metrics: Metrics) -> None:
    """Record that Redis is up once it accepts a write; where it does not, its circuit breaker knows when it does."""
    with contextlib.suppress(FlightStoreUnavailable):
        await store.ping()
        metrics.redis_is(up=True)


def polish_queue(settings: Settings, redis: Redis | RedisCluster) -> RedisPolishQueue:
    """Return the queue of the site; a preview may be acquired when it is written, or never will be."""
    site = f"{settings.namespace}/{settings.preview_prefix}"
    return RedisPolishQueue(redis, site=site, after_s=UNWRITTEN_S, lease_s=2 * settings.invoke_timeout)


def _polish(settings: Settings, redis: Redis | RedisCluster) -> SharedPolish:
    rate = RedisQuota(redis, f"{settings.quota_name}/polish", settings.max_polishes_per_second, 1)
    return SharedPolish(polish_queue(settings, redis), rate)


def _quota(settings: Settings, redis: Redis | RedisCluster | None) -> Quota | None:
    rate, burst = settings.max_resizes_per_second, settings.resize_burst
    if rate is None:
        return None
    alone = MemoryQuota(rate, burst)
    return FallbackQuota(RedisQuota(redis, settings.quota_name, rate, burst), alone) if redis else alone


def _redis_store(
    settings: Settings, redis: Redis | RedisCluster, notifications: RedisNotifications
) -> RedisFlightStore:
    return RedisFlightStore(
        redis,
        notifications,
        namespace=settings.namespace,
        lease_s=settings.lease,
        lock_ttl_s=settings.lock_ttl,
        longest_result_s=lifetimes(settings).longest_s,
        max_body_bytes=settings.max_result_bytes,
    )
