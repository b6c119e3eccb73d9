"""Bursts: many requests for one preview at the same moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from yarl import URL

MAX_REQUESTS = 500
_TIMEOUT = ClientTimeout(total=90)  # longer than nginx waits for the service


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request; times are counted from the start of the burst.

    `source` and `replica` are X-Preview and X-Replica, empty where S3 answered. `status` 0: no answer came.
    """

    status: int
    source: str
    replica: str
    started_ms: float
    ended_ms: float


async def send(url: URL, count: int) -> AsyncGenerator[Answer]:
    """Send `count` requests at once, each over its own connection; yields the answers in the order of arrival."""
    start = time.perf_counter()

    def elapsed_ms() -> float:
        return round((time.perf_counter() - start) * 1000, 1)

    async with ClientSession(connector=TCPConnector(limit=0), timeout=_TIMEOUT) as session:

        async def one() -> Answer:
            started_ms = elapsed_ms()
            try:
                async with session.get(url) as response:
                    await response.read()
            except (ClientError, TimeoutError):
                return Answer(0, "", "", started_ms, elapsed_ms())
            source, replica = (response.headers.get(name, "") for name in ("X-Preview", "X-Replica"))
            return Answer(response.status, source, replica, started_ms, elapsed_ms())

        async with asyncio.TaskGroup() as group:
            requests = [group.create_task(one()) for _ in range(count)]
            for answer in asyncio.as_completed(requests):
                yield await answer
