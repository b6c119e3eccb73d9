"""Runs an aiohttp application as a program: prints its address, and ends with a signal."""

from __future__ import annotations

import asyncio
import signal
from http import HTTPStatus
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

_SHUTDOWN_S = 0.5


async def serve(app: web.Application, host: str, port: int, name: str) -> None:
    """Serve until SIGINT or SIGTERM; the line with the address begins with `name`."""
    stop = asyncio.Event()
    # Set explicitly: a program started in the background inherits SIGINT as ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app.middlewares.append(own_names_only)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S, auto_decompress=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        print(f"{name} on http://{host}:{port}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


@web.middleware
async def own_names_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer to this machine's names only: with DNS rebinding, a page of another site could read what is here."""
    if is_own_name(request.host):
        return await handler(request)
    return web.Response(status=HTTPStatus.MISDIRECTED_REQUEST, text="this is not the server of that name")


def is_own_name(host: str) -> bool:
    """Whether a `Host` is an address, `localhost` or below it, or without a dot, as containers are: no site's name."""
    try:
        name = URL(f"http://{host}").host or ""
    except ValueError:
        return False
    try:
        return bool(ip_address(name))
    except ValueError:
        return name != "" and "." not in name.removesuffix(".localhost")
