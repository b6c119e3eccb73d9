"""`python -m devstack.far_s3`: an S3 as far away as a real one, and what it is asked. A proxy in front of a near one.

Each answer begins a delay after its request has come completely, as from a store at a distance; all connections are
delayed alike. The delays are the same, or log-normal around their median. Paths, headers and signatures pass unchanged.

GET /-/requests     the numbers of requests so far, by method and first segment of the key ("" for the bucket itself)
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from aiohttp import ClientConnectionError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web
from yarl import URL

from devstack.backends import S3
from devstack.programs import LOOPBACK, Program, answers, free_ports
from devstack.serving import serve

COUNTS = "/-/requests"  # no bucket's name begins with a hyphen
_LARGEST_BYTES = 5 << 30  # S3's own limit for one request
_PIECE_BYTES = 64 * 1024
_OF_A_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "expect"})
_ADDED_BY_AIOHTTP = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


@dataclass
class Distance:
    """How far away the store is: seconds before each answer, how they spread, and bytes a second of a connection.

    `spread` is the standard deviation of the delays' logarithm; 0: all are the same. `rate` 0: unlimited.
    """

    delay_s: float = 0.0
    spread: float = 0.0
    rate: float = 0.0
    chance: random.Random = field(default_factory=random.Random)

    def next_delay_s(self) -> float:
        """Return the next answer's delay."""
        if not (self.delay_s and self.spread):
            return self.delay_s
        return self.chance.lognormvariate(math.log(self.delay_s), self.spread)


class FarS3:
    """Passes requests on to `upstream`, `http://host:port`, and answers at a distance."""

    def __init__(self, upstream: str, distance: Distance) -> None:
        """Needs a running event loop; `session` is the caller's to close."""
        self._upstream = upstream
        self._distance = distance
        timeout = ClientTimeout(total=None, sock_connect=5)
        self.session = ClientSession(connector=TCPConnector(limit=0), auto_decompress=False, timeout=timeout)
        self.asked: defaultdict[str, Counter[str]] = defaultdict(Counter)

    async def counts(self, _: web.Request) -> web.Response:
        """Answer with what has been asked so far."""
        return web.json_response(self.asked)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, and its answer back."""
        _, _, key = request.path.strip("/").partition("/")
        self.asked[request.method][key.partition("/")[0]] += 1
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_A_CONNECTION}
        try:
            async with self.session.request(
                request.method,
                URL(self._upstream + request.raw_path, encoded=True),
                headers=headers,
                data=request.content if request.can_read_body else None,
                skip_auto_headers=_ADDED_BY_AIOHTTP,
                allow_redirects=False,
            ) as answer:
                await asyncio.sleep(self._distance.next_delay_s())
                return await self._passed_on(request, answer)
        except ClientConnectionError:
            raise web.HTTPBadGateway(text="the store behind does not answer") from None

    async def _passed_on(self, request: web.Request, answer: ClientResponse) -> web.StreamResponse:
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_A_CONNECTION}
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=kept)
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            loop, sent = asyncio.get_running_loop(), 0
            began = loop.time()
            async for piece in answer.content.iter_chunked(_PIECE_BYTES):
                await response.write(piece)
                sent += len(piece)
                if self._distance.rate:
                    await asyncio.sleep(began + sent / self._distance.rate - loop.time())
            await response.write_eof()
        return response


async def create_app(upstream: str, distance: Distance) -> web.Application:
    """Build the proxy."""

    async def connected(_: web.Application) -> AsyncIterator[None]:
        async with far.session:
            yield

    far = FarS3(upstream, distance)
    app = web.Application(client_max_size=_LARGEST_BYTES)
    app.cleanup_ctx.append(connected)
    app.router.add_get(COUNTS, far.counts)
    app.router.add_route("*", r"/{path:[\s\S]*}", far.handle)
    return app


def start_far_s3(folder: Path, s3: S3, distance: Distance) -> tuple[Program, S3]:
    """Start the proxy in front of a store; return it, and the store at the proxy's address."""
    (port,) = free_ports(1)
    options = [f"--port={port}", f"--upstream={s3.port}", f"--delay-ms={distance.delay_s * 1000}"]
    options += [f"--spread={distance.spread}", f"--rate={distance.rate}"]
    program = Program("far-s3", [sys.executable, "-m", "devstack.far_s3", *options], folder / "far-s3.log")
    program.wait_ready(lambda: answers(port))
    return program, replace(s3, port=port)


def main(
    *,
    port: Annotated[int, typer.Option(help="port to listen on")],
    upstream: Annotated[int, typer.Option(help="port of the store behind, on this machine")],
    delay_ms: Annotated[float, typer.Option(min=0, help="milliseconds before each answer; their median")] = 15,
    spread: Annotated[float, typer.Option(min=0, help="standard deviation of their logarithm")] = 0,
    rate: Annotated[float, typer.Option(min=0, help="bytes a second of each connection; 0: unlimited")] = 0,
    seed: Annotated[int, typer.Option(help="draws the same delays")] = 1,
) -> None:
    """Serve until SIGINT or SIGTERM."""
    distance = Distance(delay_ms / 1000, spread, rate, random.Random(seed))  # noqa: S311 -- no secret

    async def run() -> None:
        await serve(await create_app(f"http://{LOOPBACK}:{upstream}", distance), LOOPBACK, port, "S3, far away,")

    uvloop.run(run())


if __name__ == "__main__":
    typer.run(main)
