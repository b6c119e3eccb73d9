"""One process of the service: listens, serves, and stops in order."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import signal

import structlog
from aiohttp import web

from prewmanager.app import running_service
from prewmanager.settings import Settings
from prewmanager.telemetry import configure_logging
from prewmanager.web import make_app

_log = structlog.get_logger(__name__)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first. A second signal ends it at once."""
    configure_logging(settings.log_level)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with running_service(settings) as service:
        runner = web.AppRunner(
            make_app(service), access_log=None, handler_cancellation=False, shutdown_timeout=settings.shutdown_grace
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.host, settings.port, backlog=4096).start()
            _give_back_memory()
            _log.info("serving", host=settings.host, port=settings.port, presets=sorted(settings.presets))
            await stopping.wait()
            _log.info("stopping", grace_s=settings.shutdown_grace)
        finally:
            await runner.cleanup()
    _log.info("stopped")


def _give_back_memory() -> None:
    """What the start needed and the service does not: the SDK's parsed descriptions of AWS are some ten megabytes."""
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError, OSError):  # malloc_trim is glibc's
        ctypes.CDLL(None).malloc_trim(0)
