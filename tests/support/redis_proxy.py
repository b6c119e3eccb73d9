"""A TCP proxy in front of Redis, for faults of the network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class FaultProxy:
    """A TCP proxy in front of Redis.

    It can swallow the reply to the next command with a given word, delay each reply, lead to another server, and forget
    its connections, which stay open and silent.
    """

    def __init__(self, port: int, delay_s: float = 0) -> None:
        self.port = port
        self.swallow_reply_to: bytes | None = None
        self.swallowed = 0
        self._delay_s = delay_s
        self._generation = 0
        self._serving: list[asyncio.Task[None]] = []

    def go_silent(self) -> None:
        """Pass nothing on any more on the connections that are open now."""
        self._generation += 1

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._serving.append(task)
        await asyncio.wait([task])

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self.port)
        generation = self._generation
        swallow = asyncio.Event()

        async def commands() -> None:
            while data := await reader.read(65536):
                if self.swallow_reply_to is not None and self.swallow_reply_to in data:
                    self.swallow_reply_to, self.swallowed = None, self.swallowed + 1
                    swallow.set()
                if generation == self._generation:
                    back_writer.write(data)

        async def replies() -> None:
            while (data := await back_reader.read(65536)) and not swallow.is_set():
                await asyncio.sleep(self._delay_s)
                if generation == self._generation:
                    writer.write(data)

        tasks = [asyncio.create_task(work()) for work in (commands, replies)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            writer.close()
            back_writer.close()
