"""One sandbox: a real Lambda runtime client in a separate process, and its Runtime API."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devstack.aws_lambda.answers import Outcome, exited, timed_out
from devstack.aws_lambda.function import LATEST, Function
from devstack.aws_lambda.runtime_api import Invocation, RuntimeApi
from devstack.programs import die_with_parent

# AWS allows the init phase 10 s; if it takes longer, AWS repeats it within the function's own time-out.
INIT_TIMEOUT_S = 10.0


class InitFailed(Exception):
    """The sandbox did not start; `outcome` is the caller's answer."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("the function could not be loaded")
        self.outcome = outcome


class Sandbox:
    """A process that runs one invocation at a time and is reused until it ends."""

    def __init__(self, function: Function, api: RuntimeApi, process: Process) -> None:
        self.function = function
        self._api = api
        self._process = process
        self._exit = asyncio.create_task(process.wait())
        self._started = time.monotonic()
        self.init_ms = 0.0

    @classmethod
    async def start(cls, function: Function, env: Mapping[str, str], task_root: Path) -> Sandbox:
        """Start the runtime client in `task_root`, with `env` and the variables that Lambda sets."""
        api = RuntimeApi(function)
        await api.start()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "awslambdaric", function.handler),
            stdin=asyncio.subprocess.DEVNULL,
            env={**env, **lambda_variables(function, api.address, task_root)},
            cwd=task_root,
            start_new_session=True,
            preexec_fn=functools.partial(die_with_parent, signal.SIGKILL),
        )
        return cls(function, api, process)

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process is still running."""
        return not self._exit.done()

    async def ready(self, request_id: str) -> None:
        """Return when it polls for its first event. Raises `InitFailed` if it ends or times out before."""
        limit_s = INIT_TIMEOUT_S + self.function.timeout_s
        await self._polls_or_ends(limit_s, self._api.init_error)
        self.init_ms = (time.monotonic() - self._started) * 1000
        if self._api.init_error.done():
            raise InitFailed(self._api.init_error.result())
        if self._exit.done():
            raise InitFailed(exited(request_id, self._exit.result()))
        if not self._api.polling.is_set():
            raise InitFailed(timed_out(request_id, limit_s))

    @property
    def is_free(self) -> bool:
        """Whether it can run an event now: runtime and extension have asked for their next one."""
        return self._api.polling.is_set() and self._api.extension_idle.is_set() and self.alive

    async def still_ready(self) -> bool:
        """Whether a warm sandbox can run another event; waits while it is between its response and the next poll."""
        await self._polls_or_ends(INIT_TIMEOUT_S)
        return self.is_free

    async def run(self, invocation: Invocation) -> Outcome:
        """Run one invocation to its end, which may be its time-out or the end of the process."""
        self._api.hand_over(invocation)
        await self._any_of(self.function.timeout_s, invocation.outcome)
        if self._exit.done():
            invocation.finish(exited(invocation.request_id, self._exit.result()))
        invocation.finish(timed_out(invocation.request_id, self.function.timeout_s))
        return invocation.outcome.result()

    async def kill(self) -> None:
        """Kill the process group, and close its Runtime API."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._exit
        await self._api.close()

    async def _polls_or_ends(self, within_s: float, *others: asyncio.Future[Outcome]) -> None:
        polls = asyncio.create_task(self._polls())
        try:
            await self._any_of(within_s, polls, *others)
        finally:
            polls.cancel()

    async def _polls(self) -> None:
        """Return when runtime and extension have asked for their next event: only then is the sandbox free."""
        await self._api.polling.wait()
        await self._api.extension_idle.wait()

    async def _any_of(self, within_s: float, *others: asyncio.Future[Any]) -> None:
        # None of the others would notice the end of the process.
        await asyncio.wait({self._exit, *others}, timeout=within_s, return_when="FIRST_COMPLETED")


def lambda_variables(function: Function, runtime_api: str, task_root: Path) -> dict[str, str]:
    """Return the environment variables that Lambda sets for a function."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {
        "_HANDLER": function.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": LATEST,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "LAMBDA_TASK_ROOT": str(task_root),
        "TZ": ":UTC",
    }
