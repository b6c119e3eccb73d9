"""An S3 as far away as a real one: `python -m benchmarks.far_s3 --port=… --upstream=… --delay-ms=15`, a TCP proxy."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

import typer
import uvloop

from devstack.programs import LOOPBACK


async def _serve(port: int, upstream: int, delay_s: float) -> None:
    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait_s: float) -> None:
        """Pass on what comes, each piece this much later; pieces do not wait for each other."""
        loop = asyncio.get_running_loop()
        while data := await reader.read(262_144):
            loop.call_later(wait_s, writer.write, data)
        await asyncio.sleep(wait_s)
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, upstream)
            await asyncio.gather(pipe(reader, far_writer, 0), pipe(far_reader, writer, delay_s))
            far_writer.close()
        writer.close()

    server = await asyncio.start_server(accept, LOOPBACK, port, backlog=1024)
    async with server:
        await server.serve_forever()


def main(port: Annotated[int, typer.Option()], upstream: Annotated[int, typer.Option()], delay_ms: float = 15) -> None:
    """Delay every answer."""
    uvloop.run(_serve(port, upstream, delay_ms / 1000))


if __name__ == "__main__":
    typer.run(main)
