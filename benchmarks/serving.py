"""How the benchmarks' own servers serve: as the service does, without what only it needs."""

from __future__ import annotations

import asyncio

import uvloop
from aiohttp import web

from devstack.programs import LOOPBACK

_BACKLOG = 4096  # the service's


def serve(app: web.Application, port: int) -> None:
    """Serve on loopback until the process is ended."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(app, port))


async def _serve(app: web.Application, port: int) -> None:
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port, backlog=_BACKLOG).start()
    await asyncio.Event().wait()
