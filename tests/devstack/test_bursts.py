"""The servers of the local system keep the connections of a burst that they cannot accept at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket

from aiohttp import web

from devstack.programs import LOOPBACK, free_ports
from devstack.serving import serve


async def test_300_connections_are_made_while_the_server_accepts_none() -> None:
    """The server has this thread, and so accepts none of them meanwhile."""
    (port,) = free_ports(1)
    serving = asyncio.create_task(serve(web.Application(), LOOPBACK, port, "a server"))
    await _started(port)
    with contextlib.ExitStack() as exits:
        for _ in range(300):
            exits.enter_context(socket.create_connection((LOOPBACK, port), timeout=5))
    os.kill(os.getpid(), signal.SIGTERM)
    await serving


async def _started(port: int) -> None:
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            _, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.close()
            return
