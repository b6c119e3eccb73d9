"""Proxies before Redis, S3 and Lambda, which faults slow down, cut, and answer for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from yarl import URL

from devstack.programs import LOOPBACK

_CHUNK = 65_536
_BACKLOG = 4096  # a burst finds no queue that is full
_OF_THIS_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"}
# The client would otherwise add its own, or decode and re-encode bodies.
_ADDED_BY_AIOHTTP = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


class TcpProxy:
    """Forwards connections to a port.

    Attributes:
        port: Where it listens, on loopback.
        delay_s: How much later each piece arrives, in either direction.
    """

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.delay_s = 0.0
        self._open: set[asyncio.Event] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listen at `port` while the block runs."""
        server = await asyncio.start_server(self._serve, LOOPBACK, 0, backlog=_BACKLOG)
        self.port = int(server.sockets[0].getsockname()[1])
        try:
            yield self
        finally:
            server.close()

    def half_open(self) -> None:
        """Let the connections of this moment stay open without carrying anything; new ones are not affected."""
        for silent in self._open:
            silent.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent = asyncio.Event()
        self._open.add(silent)
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(LOOPBACK, self.upstream_port)
            with contextlib.closing(upstream_writer):
                there = asyncio.ensure_future(self._copy(reader, upstream_writer, silent))
                back = asyncio.ensure_future(self._copy(upstream_reader, writer, silent))
                # A client that leaves ends both directions; so does a server that ends, unless nobody may notice.
                await asyncio.wait({there, back}, return_when="FIRST_COMPLETED")
                if silent.is_set() and back.done():
                    await asyncio.wait({there})
                for each in (there, back):
                    each.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        except OSError:
            pass
        finally:
            self._open.discard(silent)
            writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if not silent.is_set():
                    writer.write(piece)
                    await writer.drain()


@dataclass(frozen=True)
class Canned:
    """An answer that the proxy gives instead of the server."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Cut:
    """The server's answer, ended in the middle of its body by the end of the connection."""


@dataclass(frozen=True)
class Refused:
    """The end of the connection instead of an answer."""


Trouble = Canned | Cut | Refused
Interference = Callable[[web.Request], Awaitable[Trouble | None]]


async def _none(_request: web.Request) -> Trouble | None:
    return None


class HttpProxy:
    """Forwards requests with their paths, headers and bodies unchanged, so that signatures stay valid.

    Clients may take it for the server, or for a proxy before it.

    `interfere` says for each request what happens to it, after a pause if it takes one; None: nothing.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.interfere: Interference = _none

    def recover(self) -> None:
        """Forward everything again."""
        self.interfere = _none

    @property
    def url(self) -> str:
        """`http://` address."""
        return f"http://{LOOPBACK}:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listen at `port` while the block runs."""
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        timeout = ClientTimeout(total=None, sock_connect=5)
        connector = TCPConnector(limit=0)
        async with ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False, cookie_jar=DummyCookieJar()
        ) as self._session:
            site = web.TCPSite(runner, LOOPBACK, 0, backlog=_BACKLOG)
            await site.start()
            self.port = int(runner.addresses[0][1])
            try:
                yield self
            finally:
                await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        trouble = await self.interfere(request)
        match trouble:
            case Canned(status, text, content_type, headers):
                given = {"Content-Type": content_type, **dict(headers)}
                return web.Response(status=status, body=text, headers=given)
            case Refused():
                return _aborted(request)
        try:
            return await self._forward(request, body, cut=trouble is not None)
        except (ClientError, OSError):
            return _aborted(request)

    async def _forward(self, request: web.Request, body: bytes, *, cut: bool) -> web.StreamResponse:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _OF_THIS_HOP]
        url = URL(self._upstream + request.raw_path.removeprefix(self._upstream), encoded=True)
        async with self._session.request(
            request.method,
            url,
            headers=headers,
            data=body or None,
            skip_auto_headers=_ADDED_BY_AIOHTTP,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in _OF_THIS_HOP:
                    response.headers.add(name, value)
            await response.prepare(request)
            left = (answer.content_length or 0) // 2 if cut else None
            async for piece in answer.content.iter_chunked(_CHUNK):
                await response.write(piece if left is None else piece[:left])
                left = None if left is None else left - len(piece)
                if left is not None and left <= 0:
                    return _aborted(request, response)
            await response.write_eof()
            return response


def _aborted(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """End the connection, and return a response that then cannot be sent."""
    if request.transport is not None:
        request.transport.close() if response is not None else request.transport.abort()
    return response or web.Response()
