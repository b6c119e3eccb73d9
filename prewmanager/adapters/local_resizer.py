"""The resizer in worker processes of the service's own: no Lambda, the same function."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from concurrent.futures import TimeoutError as WorkerTimeoutError
from typing import Any

from pebble import ProcessExpired, ProcessPool

from prewmanager.errors import DeadlineExceeded, PhotoFatal, PreviewFailed, ResizerFailed
from prewmanager.flights.ports import Made, Siblings
from prewmanager.previews.catalogue import Preview
from prewmanager.resizing.contract import ResizeContract


def _resize(event: dict[str, Any]) -> dict[str, Any]:
    # Imported where it is used: libvips and its threads belong to the workers, not to the service's own process.
    from lambda_resize.handler import handler  # noqa: PLC0415 -- see above

    return handler(event, None)


# A shutdown may reach the workers before it reaches the service. pebble has them answer SIGTERM by an exit with its
# number, and ignore SIGINT; SIGHUP ends them.
_TOLD_TO_END = frozenset({signal.SIGTERM, -signal.SIGTERM, -signal.SIGHUP})


def _death(error: ProcessExpired) -> PreviewFailed:
    """What a dead worker says of the image: all else than having been told to end is the image's doing."""
    kind = ResizerFailed if error.exitcode in _TOLD_TO_END else PhotoFatal
    return kind(f"the worker died: {error}, status {error.exitcode}")


class LocalResizer:
    """Runs the resize function in a pool of processes; a worker that dies or takes too long is replaced."""

    def __init__(self, contract: ResizeContract, *, workers: int, timeout_s: float) -> None:
        """`workers` processes are started at the first use; an image may take `timeout_s` seconds."""
        self._contract = contract
        self._timeout_s = timeout_s
        # spawn: a fork would copy the event loop's threads' locks into the workers.
        self._pool = ProcessPool(max_workers=workers, context=multiprocessing.get_context("spawn"))

    async def resize(self, preview: Preview, also: Siblings | None = None) -> Made:
        """Have a worker make the preview, and `also` with it. Raises `PreviewFailed`, of the class that fits."""
        request = self._contract.request(preview, also)
        work = self._pool.schedule(_resize, args=(request,), timeout=self._timeout_s)
        try:
            answer = await asyncio.wrap_future(work)
        except WorkerTimeoutError as error:
            raise DeadlineExceeded(f"the worker took longer than {self._timeout_s} s and was ended") from error
        except ProcessExpired as error:
            raise _death(error) from error
        return self._contract.made(answer, also)

    async def ping(self) -> None:
        """Return when the pool takes work. Raises `ResizerFailed`."""
        if not self._pool.active:
            raise ResizerFailed("the pool of workers is closed")

    async def aclose(self) -> None:
        """End the workers; what they are at is lost."""
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble annotates only some of its methods
        await asyncio.to_thread(self._pool.join)
