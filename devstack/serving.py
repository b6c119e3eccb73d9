"""Runs an aiohttp application as a program: prints its address, and ends with a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from yarl import URL

_SHUTDOWN_S = 0.5
_SAFE = ("GET", "HEAD")
_BACKLOG = 4096  # of 300 connections at once, those above aiohttp's 128 would be made a second later


async def serve(app: web.Application, host: str, port: int, name: str, names: Collection[str] = ()) -> None:
    """Serve until SIGINT or SIGTERM; the line with the address begins with `name`.

    `names` are hosts' names that it answers to, besides those of this machine.
    """
    stop = asyncio.Event()
    # Set explicitly: a program started in the background inherits SIGINT as ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app.middlewares.append(own_names_only(names))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S, auto_decompress=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        print(f"{name} on http://{host}:{port}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def own_names_only(names: Collection[str] = ()) -> Middleware:
    """Return what answers to this machine's names, `names`, and their pages alone.

    With DNS rebinding, a page of another site could read what is here; without it, it could still send.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_own_name(request.host, names):
            return web.Response(status=HTTPStatus.MISDIRECTED_REQUEST, text="this is not the server of that name")
        # Browsers send a simple POST to any address, and name the page that sends it.
        if request.method not in _SAFE and not is_own_page(request.headers.get("Origin"), names):
            return web.Response(status=HTTPStatus.FORBIDDEN, text="this is for pages of this machine")
        return await handler(request)

    return middleware


def is_own_name(host: str, names: Collection[str] = ()) -> bool:
    """Whether a `Host` is in `names`, an address, below `localhost`, or without a dot, as containers are: no site's."""
    try:
        name = URL(f"http://{host}").host or ""
    except ValueError:
        return False
    try:
        return bool(ip_address(name))
    except ValueError:
        return name != "" and (name in names or "." not in name.removesuffix(".localhost"))


def is_own_page(origin: str | None, names: Collection[str] = ()) -> bool:
    """Whether an `Origin` is a page of this machine; None, a client that is no browser, counts as one."""
    if origin is None:
        return True
    try:
        name = URL(origin).host
    except ValueError:
        return False
    return name is not None and is_own_name(f"[{name}]" if ":" in name else name, names)
