"""Runs an aiohttp application as a program: prints its address, and ends with a signal."""

from __future__ import annotations

import asyncio
import signal

from aiohttp import web

_SHUTDOWN_S = 0.5


async def serve(app: web.Application, host: str, port: int, name: str) -> None:
    """Serve until SIGINT or SIGTERM; the line with the address begins with `name`."""
    stop = asyncio.Event()
    # Set explicitly: a program started in the background inherits SIGINT as ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        print(f"{name} on http://{host}:{port}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()
