"""Reports of the contact sheet from replica to replica, on a channel of their own.

    prew:sheet:<bucket>     <sender> <report>

Replicas subscribe only while a viewer is connected, and Redis answers each report with the number of its subscribers:
so the others know whether somebody watches, without a key that would have to be renewed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisError

from prewmanager.adapters.redis.subscriptions import Subscriptions, run_during, subscriptions
from prewmanager.tasks import background

RELAY_CHANNEL = "prew:sheet:"
_log = structlog.get_logger(__name__)


class RedisRelay:
    """A `Relay` through Redis."""

    def __init__(self, redis: Redis | RedisCluster, *, namespace: str, resubscribe_s: float = 1.0) -> None:
        """`namespace` separates the replicas of different preview buckets."""
        self._redis = redis
        self._channel = f"{RELAY_CHANNEL}{namespace}"
        self._resubscribe_s = resubscribe_s

    async def send(self, sender: str, report: str) -> int:
        """Publish a report; it is lost while Redis is away, and counts as received by nobody."""
        try:
            return int(await self._redis.execute_command("SPUBLISH", self._channel, f"{sender} {report}"))
        except (RedisError, OSError) as error:
            _log.debug("relay.lost", error=str(error))
            return 0

    async def received(self) -> AsyncIterator[tuple[str, str]]:
        """Yield sender and report; a lost subscription is renewed."""
        reports: asyncio.Queue[str] = asyncio.Queue()
        async with background(self._listen(reports), "redis relay"):
            while True:
                sender, _, report = (await reports.get()).partition(" ")
                if report:  # none: the subscription stands, or a replica counts the subscribers
                    yield sender, report

    async def _listen(self, reports: asyncio.Queue[str]) -> None:
        while True:
            connection = subscriptions(self._redis, lambda _, report: reports.put_nowait(report or ""))
            try:
                await run_during(connection, self._subscribe(connection))
            except (RedisError, OSError) as error:
                _log.debug("relay.lost", error=str(error))
            await asyncio.sleep(self._resubscribe_s)

    async def _subscribe(self, connection: Subscriptions) -> None:
        await connection.subscribe(self._channel)
        await asyncio.get_running_loop().create_future()
