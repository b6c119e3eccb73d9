"""The resizer without Lambda: worker processes of the service run the resize function."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import signal
from concurrent.futures import TimeoutError as WorkerTimeoutError
from typing import Any

from pebble import ProcessExpired, ProcessPool

from prewmanager.errors import (
    CredentialsRefused,
    PhotoFatal,
    PhotoTimedOut,
    PreviewFailed,
    ReplicaFailed,
    ResizerFailed,
)
from prewmanager.resizing.contract import ResizeContract
from prewmanager.resizing.render import RenderJob, RenderResult


def _resize(event: dict[str, Any]) -> dict[str, Any]:
    # Imported in the workers only: libvips and its threads must not be in the service's own process.
    from lambda_resize.afterwards import in_a_thread  # noqa: PLC0415 -- see above
    from lambda_resize.handler import run  # noqa: PLC0415 -- see above

    return run(event, None, in_a_thread)


# What a worker may map, in bytes: twice what the largest photo needs. More would be taken from its host.
WORKER_MEMORY = 2 << 30


def _bound_worker(memory: int) -> None:
    """Prepare a worker: a decoder that asks for too much memory ends it, and so does SIGTERM, at once.

    pebble's handler of SIGTERM would wait until the decoder returns, and pebble, with the results of all workers, for
    three seconds until it sends SIGKILL.
    """
    _, allowed = resource.getrlimit(resource.RLIMIT_AS)
    if allowed == resource.RLIM_INFINITY or memory < allowed:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


# At shutdown a signal may reach the workers before the service. Until they are bound, pebble's workers exit with
# SIGTERM's number as their status; they ignore SIGINT, and are killed by SIGHUP.
_STOP_CODES = frozenset({signal.SIGTERM, -signal.SIGTERM, -signal.SIGHUP})


def _death(error: ProcessExpired) -> PreviewFailed:
    """Return the failure for a worker that died: the photo's fault, unless the worker was stopped."""
    kind = ResizerFailed if error.exitcode in _STOP_CODES else PhotoFatal
    return kind(f"the worker died: {error}, status {error.exitcode}")


class LocalResizer:
    """Runs the resize function in a pool of processes, which replaces a worker that dies or takes too long."""

    def __init__(self, contract: ResizeContract, *, workers: int, timeout_s: float) -> None:
        """`workers` processes start at the first use; one photo may take `timeout_s` seconds."""
        self._contract = contract
        self._timeout_s = timeout_s
        # spawn: a fork would copy locks held by threads of this process into the workers.
        self._pool = ProcessPool(
            max_workers=workers,
            initializer=_bound_worker,
            initargs=(WORKER_MEMORY,),
            context=multiprocessing.get_context("spawn"),
        )

    async def resize(self, job: RenderJob) -> RenderResult:
        """Run the function for the job in a worker. Raises the `PreviewFailed` of its outcome."""
        request = self._contract.request(job)
        try:
            work = self._pool.schedule(_resize, args=(request,), timeout=self._timeout_s)
            response = await asyncio.wrap_future(work)
        except WorkerTimeoutError as error:
            raise PhotoTimedOut(f"the worker took longer than {self._timeout_s} s and was stopped") from error
        except ProcessExpired as error:
            raise _death(error) from error
        except RuntimeError as error:  # the pool is broken, or being closed
            raise ReplicaFailed(f"no worker can be started: {error}") from error
        try:
            return self._contract.result(response, job)
        except CredentialsRefused as error:  # the workers have this process's
            raise ReplicaFailed(error.detail) from error

    async def ping(self) -> None:
        """Return when the pool accepts work. Raises `ResizerFailed`."""
        if not self._pool.active:
            raise ResizerFailed("the pool of workers is closed")

    async def aclose(self) -> None:
        """Stop the workers, and with them the renderings in progress."""
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble annotates only some of its methods
        await asyncio.to_thread(self._pool.join)
