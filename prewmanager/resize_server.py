"""`prewmanager resize-server`: the resize function behind plain HTTP, for containers without Lambda.

Its workers read photos and write previews, with the credentials of this process; it knows neither presets nor Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from aiohttp import web

from prewmanager import __version__
from prewmanager.adapters.resize_http.messages import failure, reply_of
from prewmanager.adapters.worker_pool import WorkerPool
from prewmanager.errors import PhotoTimedOut, PreviewFailed
from prewmanager.listening import BACKLOG
from prewmanager.telemetry.logging import configure_logging, log_loose_tracebacks

_MAX_EVENT_BYTES = 256 << 10
_KEEPALIVE_S = 40.0  # longer than the service keeps its connections
_BEYOND_S = 5.0  # after the last answer, for the writes that follow answers
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line and the environment say.

    Attributes:
        workers: Photos at once, each in a process.
        waiting: Requests that may wait for a worker; one more gets 429.
        timeout_s: Seconds for one photo.
        token: What requests must bring as `Authorization: Bearer`; empty: nothing.
    """

    workers: int
    waiting: int
    timeout_s: float
    token: str


class ResizeServer:
    """Answers events with what a pool of workers makes of them."""

    def __init__(self, pool: WorkerPool, options: Options) -> None:
        self._pool = pool
        self._options = options
        self._inside = 0
        self._rendered = 0
        self._writes: set[asyncio.Future[bool]] = set()

    def app(self) -> web.Application:
        """Return the application; its routes are in `adapters.resize_http.messages`."""
        app = web.Application(client_max_size=_MAX_EVENT_BYTES)
        app.add_routes([web.post("/", self._resize), web.get("/healthz", self._health)])
        return app

    async def writes_end(self) -> None:
        """Wait for the writes that follow answers, for a few seconds."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=_BEYOND_S)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"version": __version__, "rendering": self._inside, "rendered": self._rendered})

    async def _resize(self, request: web.Request) -> web.Response:
        expected = f"Bearer {self._options.token}".encode()
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if self._options.token and not hmac.compare_digest(given, expected):
            return web.json_response({"title": "Unauthorized"}, status=401, headers={"WWW-Authenticate": "Bearer"})
        if self._inside >= self._options.workers + self._options.waiting:
            return _response(failure("throttled", "all workers are busy"), {"Retry-After": "1"})
        try:
            event = orjson.loads(await request.read())
        except ValueError:
            return _response(failure("invalid", "the event is not JSON"))
        return _response(await self._answer(event))

    async def _answer(self, event: Any) -> dict[str, Any]:
        self._inside += 1
        try:
            if isinstance(event, dict) and "polish" in event:
                return await self._pool.run_behind(event)
            ran = await self._pool.run(event)
        except PhotoTimedOut as error:
            return failure("timeout", str(error))
        except PreviewFailed as error:
            return failure(error.kind, str(error))
        except Exception:  # noqa: BLE001 -- whatever a worker raises, it is one photo's
            _log.exception("the function raised")
            return failure("internal", "see the server's log")
        finally:
            self._inside -= 1
        self._rendered += 1
        if ran.write is not None:
            self._writes.add(ran.write)
            ran.write.add_done_callback(self._writes.discard)
        return ran.response


def _response(answer: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    reply = reply_of(answer)
    return web.Response(body=reply.body, status=reply.status, headers={**reply.headers, **(headers or {})})


def run(options: Options, sock: socket.socket, level: str) -> None:
    """Serve on a socket until SIGTERM or SIGINT, then answer the requests in flight; log events from `level` up."""
    configure_logging(level)
    log_loose_tracebacks()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options, sock))


async def _serve(options: Options, sock: socket.socket) -> None:
    stopping = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stopping.set)
    async with _running(options, sock):
        host, port = sock.getsockname()[:2]
        _log.info("serving", version=__version__, host=host, port=port, workers=options.workers)
        await stopping.wait()
        _log.info("stopping")
    _log.info("stopped")


@contextlib.asynccontextmanager
async def _running(options: Options, sock: socket.socket) -> AsyncIterator[None]:
    async with contextlib.aclosing(WorkerPool(workers=options.workers, timeout_s=options.timeout_s)) as pool:
        server = ResizeServer(pool, options)
        # A request takes its time in the queue, and then that of its photo.
        longest_s = options.timeout_s * (1 + options.waiting / options.workers)
        runner = web.AppRunner(
            server.app(), access_log=None, keepalive_timeout=_KEEPALIVE_S, shutdown_timeout=longest_s
        )
        await runner.setup()
        try:
            await web.SockSite(runner, sock, backlog=BACKLOG).start()
            yield
        finally:
            await runner.cleanup()
            await server.writes_end()
