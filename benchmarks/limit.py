"""The physical limit: a bare aiohttp handler, whose requests wait for one event.

Without Redis, Lambda and S3, only the cost of sending 70 KB to each waiter remains. SIGUSR1 sets the event.
"""

from __future__ import annotations

import asyncio
import random
import signal
from typing import Annotated

import typer
from aiohttp import web

from benchmarks.gated_lambda import PREVIEW_BYTES
from benchmarks.serving import serve

_BODY = random.Random(1).randbytes(PREVIEW_BYTES)


class _Hold:
    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def answer(self, _: web.Request) -> web.Response:
        await self._event.wait()
        return web.Response(body=_BODY, content_type="image/jpeg")

    def release(self) -> None:
        """Answer all waiting requests; later ones wait again."""
        self._event.set()
        self._event = asyncio.Event()


def main(port: Annotated[int, typer.Option()]) -> None:
    """Serve until a signal ends the process."""
    hold = _Hold()

    async def at_signal(_: web.Application) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, hold.release)

    app = web.Application()
    app.router.add_get("/{path:.*}", hold.answer)
    app.on_startup.append(at_signal)
    serve(app, port)


if __name__ == "__main__":
    typer.run(main)
