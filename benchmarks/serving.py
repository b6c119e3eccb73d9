"""Serves the benchmarks' own servers, with the service's options."""

from __future__ import annotations

import asyncio

import uvloop
from aiohttp import web

from devstack.programs import LOOPBACK

_BACKLOG = 4096  # the service's value


def serve(app: web.Application, port: int) -> None:
    """Serve on loopback until a signal ends the process."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(app, port))


async def _serve(app: web.Application, port: int) -> None:
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port, backlog=_BACKLOG).start()
    await asyncio.Event().wait()
