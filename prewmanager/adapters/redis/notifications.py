"""Notifications of completed flights: each has a channel, to which a process subscribes while it waits for the flight.

A notification is a hint that saves the waiting process a poll; a lost one costs that poll and nothing else. A flight
that no other process waits for has no subscription, and is announced to nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisError

from prewmanager.adapters.redis.subscriptions import Subscriptions, run_during, subscriptions
from prewmanager.tasks import background

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Expected:
    """A flight that this process takes part in; `wanted` where it waits for another process."""

    changed: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: bool = False


class RedisNotifications:
    """Listens to the channels of the flights that this process waits for; run `listening` around its use."""

    def __init__(self, redis: Redis | RedisCluster, *, resubscribe_s: float = 1.0, linger_s: float = 10.0) -> None:
        """`resubscribe_s`: the pause before a lost connection is renewed; `linger_s`: how long it outlasts a wait."""
        self._redis = redis
        self._resubscribe_s = resubscribe_s
        self._linger_s = linger_s
        self._expected: dict[str, _Expected] = {}
        # Subscriptions to begin (True) and to end, in their order, while there is a connection.
        self._wishes: deque[tuple[str, bool]] = deque()
        self._wished = asyncio.Event()

    @contextlib.contextmanager
    def expecting(self, channel: str) -> Iterator[None]:
        """Record notifications on this channel inside the block; read Redis there, so that none is missed."""
        self._expected[channel] = _Expected()
        try:
            yield
        finally:
            if self._expected.pop(channel).wanted:
                self._wish(channel, wanted=False)

    async def wait(self, channel: str, timeout_s: float) -> None:
        """Return when a notification has come on an expected channel, after `timeout_s` at the latest.

        The first wait subscribes, and returns when that is done: what was published before has to be read.
        """
        expected = self._expected[channel]
        if not expected.wanted:
            expected.wanted = True
            self._wish(channel, wanted=True)
        try:
            async with asyncio.timeout(timeout_s):
                await expected.changed.wait()
        except TimeoutError:
            return
        finally:
            expected.changed.clear()  # before Redis is read again

    def listening(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Listen while the block is open and a flight waits; a lost connection is renewed."""
        return background(self._listen(), "redis notifications")

    def _wish(self, channel: str, *, wanted: bool) -> None:
        self._wishes.append((channel, wanted))
        self._wished.set()

    def _came(self, channel: str, message: str | None) -> None:  # noqa: ARG002 -- that it came says all
        if channel in self._expected:
            self._expected[channel].changed.set()

    async def _listen(self) -> None:
        while True:
            while not self._is_wanted():
                self._wished.clear()
                await self._wished.wait()
            try:
                await self._listen_while_wanted()
            except (RedisError, OSError) as error:
                _log.info("notifications.lost", error=str(error))
                await asyncio.sleep(self._resubscribe_s)

    async def _listen_while_wanted(self) -> None:
        connection = subscriptions(self._redis, self._came)
        self._wishes = deque((channel, True) for channel, each in self._expected.items() if each.wanted)
        await run_during(connection, self._subscribe(connection))

    async def _subscribe(self, connection: Subscriptions) -> None:
        """Fulfil the wishes, until there was none for `linger_s` seconds and no flight waits."""
        while True:
            self._wished.clear()
            while self._wishes:
                channel, wanted = self._wishes.popleft()
                await (connection.subscribe if wanted else connection.unsubscribe)(channel)
            try:
                async with asyncio.timeout(self._linger_s):
                    await self._wished.wait()
            except TimeoutError:
                if not self._is_wanted():
                    return

    def _is_wanted(self) -> bool:
        return any(each.wanted for each in self._expected.values())
