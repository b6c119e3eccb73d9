"""The sandboxes of one function: started on demand up to a bound, reused, replaced when they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.aws_lambda.answers import Outcome, TooManyRequests
from devstack.aws_lambda.function import Function
from devstack.aws_lambda.runtime_api import Invocation
from devstack.aws_lambda.sandbox import InitFailed, Sandbox
from devstack.aws_lambda.stats import Record, Stats


@dataclass(frozen=True)
class Limits:
    """How many invocations of a function run at once, and for how many seconds another one may wait for a slot."""

    concurrency: int = 4
    queue_wait_s: float = 0.0


class Pool:
    """Runs invocations of one function, each with exclusive use of a sandbox."""

    def __init__(
        self, function: Function, env: Mapping[str, str], task_root: Path, limits: Limits, stats: Stats
    ) -> None:
        self._function = function
        self._env = env
        self._task_root = task_root
        self._limits = limits
        self._stats = stats
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._idle: list[Sandbox] = []
        self._sandboxes: set[Sandbox] = set()
        self._tasks: set[asyncio.Task[Outcome]] = set()

    @property
    def pids(self) -> list[int]:
        """Process ids of the live sandboxes."""
        return sorted(sandbox.pid for sandbox in self._sandboxes if sandbox.alive)

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run an invocation to its end, even if the caller is cancelled. Raises `TooManyRequests`."""
        await self._wait_for_slot()
        task = asyncio.create_task(self._count(invocation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Kill all sandboxes, with the invocations that run in them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._drop(sandbox) for sandbox in list(self._sandboxes)))

    async def _wait_for_slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
        elif not await self._slot_comes_free():
            self._stats.throttled += 1
            raise TooManyRequests

    async def _slot_comes_free(self) -> bool:
        try:
            # A wait of 0 s times out at once, even if a slot is released at that moment.
            return await asyncio.wait_for(self._slots.acquire(), self._limits.queue_wait_s)
        except TimeoutError:
            return False

    async def _count(self, invocation: Invocation) -> Outcome:
        began = time.monotonic()
        init_ms = 0.0
        try:
            with self._stats.running(self._function.name):
                try:
                    sandbox, init_ms = await self._acquire_sandbox(invocation)
                    began = time.monotonic()
                    outcome = await self._run(sandbox, invocation)
                except InitFailed as failure:
                    outcome = failure.outcome
        finally:
            self._slots.release()
        duration_ms = round((time.monotonic() - began) * 1000, 3)
        name = self._function.name
        self._stats.ended(Record(invocation.request_id, name, duration_ms, round(init_ms, 3), outcome.status))
        return outcome

    async def _acquire_sandbox(self, invocation: Invocation) -> tuple[Sandbox, float]:
        # The most recently used one: as on AWS, few sandboxes stay warm.
        while self._idle:
            sandbox = next((each for each in reversed(self._idle) if each.is_free), self._idle[-1])
            self._idle.remove(sandbox)
            if await sandbox.still_ready():
                return sandbox, 0.0
            await self._drop(sandbox)
        self._stats.cold_starts += 1
        sandbox = await Sandbox.start(self._function, self._env, self._task_root)
        self._sandboxes.add(sandbox)
        try:
            await sandbox.ready(invocation.request_id)
        except InitFailed:
            await self._drop(sandbox)
            raise
        return sandbox, sandbox.init_ms

    async def _run(self, sandbox: Sandbox, invocation: Invocation) -> Outcome:
        outcome = await sandbox.run(invocation)
        if outcome.status == "timeout" or not sandbox.alive:
            await self._drop(sandbox)
        else:
            self._idle.append(sandbox)
        return outcome

    async def _drop(self, sandbox: Sandbox) -> None:
        await sandbox.kill()
        self._sandboxes.discard(sandbox)
