"""Asynchronous invocations of one function: accepted at once, run one after another, retried when they fail.

As AWS documents it, a failed event is retried twice, after one minute and then two; a throttled one is delayed by one
second up to five minutes, which does not count as a try
(docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html). Unlike AWS, which runs several events at
once and keeps them for hours, the queue runs one at a time and ends with the service.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from devstack.aws_lambda.answers import TooManyRequests
from devstack.aws_lambda.pool import Pool
from devstack.aws_lambda.runtime_api import Invocation

# Lambda's limit for asynchronous events.
EVENT_LIMIT_BYTES = 1_048_576
TRIES = 3
# AWS's proportions: one minute after a failure, one second up to five minutes while throttled.
_THROTTLED_PAUSE = 1 / 60
_LONGEST_PAUSE = 5.0


@dataclass
class _Queued:
    event: bytes
    failures: int = 0
    throttled_pause: float = _THROTTLED_PAUSE


class EventQueue:
    """The queued events of one function."""

    def __init__(self, pool: Pool, retry_pause_s: float) -> None:
        """Failed events are retried after `retry_pause_s`, and again after twice that."""
        self._pool = pool
        self._retry_pause_s = retry_pause_s
        self._waiting: asyncio.Queue[_Queued] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None

    def put(self, event: bytes) -> None:
        """Queue an event."""
        self._worker = self._worker or asyncio.create_task(self._work())
        self._waiting.put_nowait(_Queued(event))

    async def close(self) -> None:
        """Drop the queued events."""
        if self._worker:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            queued = await self._waiting.get()
            pause_s = await self._run(queued)
            if pause_s is not None:
                asyncio.get_running_loop().call_later(pause_s, self._waiting.put_nowait, queued)

    async def _run(self, queued: _Queued) -> float | None:
        """Run an event once; return the seconds until its retry, or None if there is none."""
        try:
            # Unlike on AWS, retries do not share a request id.
            outcome = await self._pool.invoke(Invocation(queued.event))
        except TooManyRequests:
            pause = queued.throttled_pause
            queued.throttled_pause = min(2 * pause, _LONGEST_PAUSE)
            return self._retry_pause_s * pause
        if outcome.status == "ok":
            return None
        queued.failures += 1
        return self._retry_pause_s * queued.failures if queued.failures < TRIES else None
