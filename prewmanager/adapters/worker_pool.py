"""Worker processes that run the resize function; one that dies or takes too long is replaced."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as WorkerTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from pebble import ProcessExpired, ProcessPool

from prewmanager.errors import PhotoFatal, PhotoTimedOut, PreviewFailed, ReplicaFailed, ResizerFailed

if TYPE_CHECKING:
    from lambda_resize.afterwards import Threads


class _Remaining:
    """The function's context in a worker, which has what Lambda's has of the time."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self._ends_at - time.monotonic()) * 1000))


def _resize(event: dict[str, Any], number: int, timeout_s: float) -> dict[str, Any]:
    remaining = _Remaining(timeout_s)  # the first photo's import is part of its time, as pebble counts it
    # Imported in the workers only: libvips and its threads must not be in the service's own process.
    from lambda_resize.handler import run  # noqa: PLC0415 -- see above

    threads = _threads()
    left = threads.left()
    response = run(event, remaining, left)
    threads.do(left.work, partial(_report, number) if response.get("written") is False else _nothing)
    return response


def _resize_behind(event: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    remaining = _Remaining(timeout_s)
    from lambda_resize.handler import run  # noqa: PLC0415 -- as in `_resize`

    return run(event, remaining)


@cache
def _threads() -> Threads:
    from lambda_resize.afterwards import Threads  # noqa: PLC0415 -- as in `_resize`

    return Threads()


def _nothing(_: bool) -> None:  # noqa: FBT001 -- a callback that says one thing
    """Report nothing: the preview was written before it was answered."""


def _report(number: int, succeeded: bool) -> None:  # noqa: FBT001 -- a callback that says one thing
    """Report whether a write succeeded. One write of so few bytes is atomic, whichever worker is killed meanwhile."""
    _reports[0].send_bytes(f"{number} {succeeded:d}".encode())


_reports: list[Connection] = []  # in a worker: where it reports


# What a worker may map, in bytes: twice what the largest photo needs. More would be taken from its host.
WORKER_MEMORY = 2 << 30


def _bound_worker(memory: int, reports: Connection) -> None:
    """Prepare a worker: a decoder that asks for too much memory ends it, and so does SIGTERM, at once.

    pebble's handler of SIGTERM would wait until the decoder returns, and pebble, with the results of all workers, for
    three seconds until it sends SIGKILL.
    """
    _, allowed = resource.getrlimit(resource.RLIMIT_AS)
    if allowed == resource.RLIM_INFINITY or memory < allowed:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _reports.append(reports)


_NICE = 19  # of what runs behind the workers: it gets the CPU that they leave


def _bound_behind(memory: int, reports: Connection) -> None:
    """Prepare a process as a worker, behind all workers."""
    _bound_worker(memory, reports)
    os.nice(_NICE)


# At shutdown a signal may reach the workers before the service. Until they are bound, pebble's workers exit with
# SIGTERM's number as their status; they ignore SIGINT, and are killed by SIGHUP.
_STOP_CODES = frozenset({signal.SIGTERM, -signal.SIGTERM, -signal.SIGHUP})


def _death(error: ProcessExpired) -> PreviewFailed:
    """Return the failure for a worker that died: the photo's fault, unless the worker was stopped."""
    kind = ResizerFailed if error.exitcode in _STOP_CODES else PhotoFatal
    return kind(f"the worker died: {error}, status {error.exitcode}")


@dataclass(frozen=True, slots=True)
class Ran:
    """The function's response; `write` ends where it is written after the response, with whether that succeeded."""

    response: dict[str, Any]
    write: asyncio.Future[bool] | None


class WorkerPool:
    """Runs the resize function in processes, each with one photo at a time."""

    def __init__(self, *, workers: int, timeout_s: float) -> None:
        """`workers` processes start at the first use; one photo may take `timeout_s` seconds."""
        self._timeout_s = timeout_s
        self._receiver, self._sender = multiprocessing.Pipe(duplex=False)
        self._numbers = itertools.count()
        # Those that somebody waits for; a worker that dies reports nothing.
        self._writes: WeakValueDictionary[int, asyncio.Future[bool]] = WeakValueDictionary()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workers = workers
        self._pool = self._new_pool(workers, _bound_worker)
        self._behind: ProcessPool | None = None  # of one process, from its first use on
        self._is_closed = False

    def _new_pool(self, workers: int, initializer: Callable[[int, Connection], None]) -> ProcessPool:
        # spawn: a fork would copy locks held by threads of this process into the workers.
        return ProcessPool(
            max_workers=workers,
            initializer=initializer,
            initargs=(WORKER_MEMORY, self._sender),
            context=multiprocessing.get_context("spawn"),
        )

    async def run(self, request: dict[str, Any]) -> Ran:
        """Run the function for the request in a worker.

        Raises `PhotoTimedOut`, `PhotoFatal`, `ResizerFailed` where the worker is stopped, and `ReplicaFailed` where
        none can be started.
        """
        number, write = next(self._numbers), self._expected()
        self._writes[number] = write
        with self._translated():
            response = await self._run(request, number)
        return Ran(response, write if response.get("written") is False else None)

    async def run_behind(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run the function in one process more, which leaves workers the CPU. Raises as `run` does."""
        if self._behind is None or not self._behind.active:
            self._behind = self._new_pool(1, _bound_behind)
        with self._translated():
            work = self._behind.schedule(_resize_behind, args=(request, self._timeout_s), timeout=self._timeout_s)
            return await asyncio.wrap_future(work)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except WorkerTimeoutError as error:
            raise PhotoTimedOut(f"the worker took longer than {self._timeout_s} s and was stopped") from error
        except ProcessExpired as error:
            raise _death(error) from error
        except RuntimeError as error:  # the pool is broken, or being closed
            raise ReplicaFailed(f"no worker can be started: {error}") from error

    async def _run(self, request: dict[str, Any], number: int) -> dict[str, Any]:
        """Run the function in a worker; in a new pool, where a worker that died idle has broken this one."""
        pool = self._pool
        try:
            return await self._schedule(pool, request, number)
        except RuntimeError:
            if self._is_closed or pool.active:
                raise
        if pool is self._pool:
            self._pool = self._new_pool(self._workers, _bound_worker)
            await _ended(pool)
        return await self._schedule(self._pool, request, number)

    async def _schedule(self, pool: ProcessPool, request: dict[str, Any], number: int) -> dict[str, Any]:
        work = pool.schedule(_resize, args=(request, number, self._timeout_s), timeout=self._timeout_s)
        return await asyncio.wrap_future(work)

    def _expected(self) -> asyncio.Future[bool]:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            loop.add_reader(self._receiver.fileno(), self._reported)
        return loop.create_future()

    def _reported(self) -> None:
        number, _, succeeded = self._receiver.recv_bytes().partition(b" ")
        write = self._writes.pop(int(number), None)
        if write is not None and not write.done():
            write.set_result(succeeded == b"1")

    @property
    def is_open(self) -> bool:
        """Whether work is accepted: a pool that is broken is replaced at its next use."""
        return not self._is_closed

    async def aclose(self) -> None:
        """Stop the workers, and with them the renderings in progress."""
        self._is_closed = True
        for pool in (self._pool, self._behind):
            if pool is not None:
                await _ended(pool)
        if self._loop is not None:
            self._loop.remove_reader(self._receiver.fileno())
        self._receiver.close()
        self._sender.close()


async def _ended(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]  # pebble annotates only some of its methods
    await asyncio.to_thread(pool.join)
