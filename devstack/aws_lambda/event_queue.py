"""Asynchronous invocations of one function: taken at once, run one after another, tried again when they fail.

As AWS documents it: an event whose function fails is tried twice more, a minute later and two minutes after that; one
that is throttled waits from one second up to five minutes, and that is no try
(docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html). AWS runs several at once and keeps events
for hours; here one sandbox is enough, and what is queued ends with the service.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from devstack.aws_lambda.answers import TooManyRequests
from devstack.aws_lambda.pool import Pool
from devstack.aws_lambda.runtime_api import Invocation

# The service's own number for asynchronous events.
EVENT_LIMIT_BYTES = 1_048_576
TRIES = 3
# AWS's pauses in proportion: a minute after a failure, a second up to five minutes while it is throttled.
_THROTTLED_PAUSE = 1 / 60
_LONGEST_PAUSE = 5.0


@dataclass
class _Queued:
    event: bytes
    failures: int = 0
    throttled_pause: float = _THROTTLED_PAUSE


class EventQueue:
    """The events of one function that nobody waits for."""

    def __init__(self, pool: Pool, retry_pause_s: float) -> None:
        """Events that fail are tried again after `retry_pause_s`, and twice that."""
        self._pool = pool
        self._retry_pause_s = retry_pause_s
        self._waiting: asyncio.Queue[_Queued] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None

    def put(self, event: bytes) -> None:
        """Take an event, to be run when its turn comes."""
        self._worker = self._worker or asyncio.create_task(self._work())
        self._waiting.put_nowait(_Queued(event))

    async def close(self) -> None:
        """Forget what is queued."""
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
        """Run it once; when it is to be tried again, after how many seconds."""
        try:
            # A try is an invocation of its own here; on AWS they share the request id.
            outcome = await self._pool.invoke(Invocation(queued.event))
        except TooManyRequests:
            pause = queued.throttled_pause
            queued.throttled_pause = min(2 * pause, _LONGEST_PAUSE)
            return self._retry_pause_s * pause
        if outcome.status == "ok":
            return None
        queued.failures += 1
        return self._retry_pause_s * queued.failures if queued.failures < TRIES else None
