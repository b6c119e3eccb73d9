"""One process of the service: listens, serves, and stops in order."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import resource
import signal
import socket
from collections.abc import Iterable

import structlog
import uvloop
from aiohttp import web

from prewmanager import __version__
from prewmanager.app import running_service
from prewmanager.config.settings import Settings
from prewmanager.listening import BACKLOG
from prewmanager.telemetry.logging import configure_logging, log_loose_tracebacks
from prewmanager.web.app import make_app

# Longer than nginx keeps its connections, 30 s, so that the service never closes one that nginx is about to use. It
# counts from the start: who sends no whole request in that time is disconnected.
KEEPALIVE_S = 40.0
_log = structlog.get_logger(__name__)


def log_ignored(level: str, lines: Iterable[str]) -> None:
    """Log settings that this version does not know."""
    configure_logging(level)
    for line in lines:
        _log.warning("settings.unknown", detail=line)


def run(
    settings: Settings,
    sock: socket.socket,
    *,
    signals: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
    ends_with: int | None = None,
) -> None:
    """Serve on a socket until one of `signals`, then answer the requests in flight; a second signal stops at once.

    End of file on the descriptor `ends_with` has the same effect as a signal.
    """
    configure_logging(settings.log_level)
    log_loose_tracebacks()
    _raise_file_limit()
    # uvloop uses a fifth less CPU for a miss than the standard library's event loop.
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, sock, tuple(signals), ends_with))


async def _serve(
    settings: Settings, sock: socket.socket, signals: tuple[signal.Signals, ...], ends_with: int | None
) -> None:
    stopping = _stop_event(signals, ends_with)
    async with running_service(settings) as service:
        runner = web.AppRunner(
            make_app(service),
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            # A client that leaves ends its own waiting, and nothing of the flight.
            handler_cancellation=True,
            shutdown_timeout=settings.shutdown_grace * 2 / 3,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, sock, backlog=BACKLOG).start()
            _trim_memory()
            _log.info(
                "serving", version=__version__, host=settings.host, port=settings.port, presets=sorted(settings.presets)
            )
            await stopping.wait()
            _log.info("stopping", grace_s=settings.shutdown_grace)
        finally:
            await runner.cleanup()
    _log.info("stopped")


def _stop_event(signals: tuple[signal.Signals, ...], ends_with: int | None) -> asyncio.Event:
    """Return an event that the first signal sets; that signal also restores the signals' default handlers."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        stopping.set()
        for number in signals:
            loop.remove_signal_handler(number)
        if ends_with is not None:
            loop.remove_reader(ends_with)

    for number in signals:
        loop.add_signal_handler(number, stop)
    if ends_with is not None:
        loop.add_reader(ends_with, stop)
    return stopping


def _raise_file_limit() -> None:
    """Allow as many file descriptors as the operator's hard limit: each waiting request holds one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # some systems forbid what they report
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _trim_memory() -> None:
    """Free the memory that only startup needs: the SDK's parsed API descriptions take some ten megabytes."""
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError, OSError):  # malloc_trim is glibc's
        ctypes.CDLL(None).malloc_trim(0)
