"""Many requests for one preview at the same moment, and what each of them got."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from yarl import URL

MAX_VALUES = 500
_WITHIN = ClientTimeout(total=90)  # above nginx's own patience with the service


@dataclass(frozen=True, slots=True)
class Answered:
    """One request's answer; `began` and `ended` are milliseconds after the first one was sent.

    `source` and `replica` are X-Preview and X-Replica, empty where S3 answered. `status` 0: there was no answer.
    """

    status: int
    source: str
    replica: str
    began: float
    ended: float


async def fire(url: URL, count: int) -> AsyncGenerator[Answered]:
    """Send `count` requests at once, each over a connection of its own; answers come in the order of their arrival."""
    start = time.perf_counter()

    def now() -> float:
        return round((time.perf_counter() - start) * 1000, 1)

    async with ClientSession(connector=TCPConnector(limit=0), timeout=_WITHIN) as session:

        async def one() -> Answered:
            began = now()
            try:
                async with session.get(url) as response:
                    await response.read()
            except (ClientError, TimeoutError):
                return Answered(0, "", "", began, now())
            headers = response.headers
            return Answered(response.status, headers.get("X-Preview", ""), headers.get("X-Replica", ""), began, now())

        async with asyncio.TaskGroup() as group:
            requests = [group.create_task(one()) for _ in range(count)]
            for answered in asyncio.as_completed(requests):
                yield await answered
