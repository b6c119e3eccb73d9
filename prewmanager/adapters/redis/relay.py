"""Reports of the contact sheet from replica to replica, on a channel of their own.

    prew:sheet:<bucket>     <sender> <report>

A report without subscribers costs Redis next to nothing; replicas subscribe only while a viewer is connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisError

from prewmanager.adapters.redis.notifications import messages

RELAY_CHANNEL = "prew:sheet:"
_log = structlog.get_logger(__name__)


class RedisRelay:
    """A `Relay` through Redis."""

    def __init__(self, redis: Redis | RedisCluster, *, namespace: str, resubscribe_s: float = 1.0) -> None:
        """`namespace` separates the replicas of different preview buckets."""
        self._redis = redis
        self._channel = f"{RELAY_CHANNEL}{namespace}"
        self._resubscribe_s = resubscribe_s

    async def send(self, sender: str, report: str) -> None:
        """Publish a report; it is lost while Redis is away."""
        publish = self._redis.spublish if isinstance(self._redis, RedisCluster) else self._redis.publish
        try:
            await publish(self._channel, f"{sender} {report}")
        except (RedisError, OSError) as error:
            _log.debug("relay.lost", error=str(error))

    async def received(self) -> AsyncIterator[tuple[str, str]]:
        """Yield sender and report; a lost subscription is renewed."""
        while True:
            try:
                async for message in messages(self._redis, self._channel):
                    if message is not None:
                        sender, _, report = message.partition(" ")
                        yield sender, report
            except (RedisError, OSError) as error:
                _log.debug("relay.lost", error=str(error))
            await asyncio.sleep(self._resubscribe_s)
