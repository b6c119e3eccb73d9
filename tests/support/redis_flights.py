"""A flight store in Redis, with the limits that most tests need."""

from __future__ import annotations

from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.redis.flight_store import RedisFlightStore
from prewmanager.adapters.redis.notifications import RedisNotifications


def redis_flight_store(
    redis: Redis | RedisCluster,
    notifications: RedisNotifications | None = None,
    *,
    namespace: str = "photos",
    lease_s: float = 5,
    lock_ttl_s: float = 20,
    max_body_bytes: int = 1000,
) -> RedisFlightStore:
    """Return the flight store of this client; without `notifications` its own, to which nobody listens."""
    return RedisFlightStore(
        redis,
        notifications or RedisNotifications(redis),
        namespace=namespace,
        lease_s=lease_s,
        lock_ttl_s=lock_ttl_s,
        longest_result_s=300,
        max_body_bytes=max_body_bytes,
    )
