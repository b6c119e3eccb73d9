"""The physical limit: a bare aiohttp handler that holds its requests on one event, and answers them when it is set.

No Redis, no Lambda, no S3: what is left is the cost of sending 70 KB to each waiter. SIGUSR1 sets the event.
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
        """Answer all requests that are held; the next ones are held again."""
        self._event.set()
        self._event = asyncio.Event()


def main(port: Annotated[int, typer.Option()]) -> None:
    """Serve until the process is ended."""
    hold = _Hold()

    async def at_signal(_: web.Application) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, hold.release)

    app = web.Application()
    app.router.add_get("/{path:.*}", hold.answer)
    app.on_startup.append(at_signal)
    serve(app, port)


if __name__ == "__main__":
    typer.run(main)
