"""The page's server: the contact sheet of a replica, and bursts.

GET /               the contact sheet, forwarded to a replica
GET /presets/…      its files, facts and streams, likewise
GET /burst          ?preset=, ?count=: sends that many requests through nginx; answers a line of JSON for each

nginx lets only GET in. /burst has side effects all the same, such as a temporary copy of a photo, so it requires a
header that pages of other sites cannot send.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass

from aiohttp import ClientConnectionError, ClientResponse, ClientSession, ClientTimeout, web
from yarl import URL

from devstack.page.burst import MAX_REQUESTS, send
from devstack.page.copies import Copies, NoPhoto

_SHEET = "/-/presets"
_BURST = "/burst"
# The stream of an idle replica is silent for five seconds.
_TIMEOUT = ClientTimeout(total=None, sock_connect=2, sock_read=30)
_HOP_BY_HOP = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})


@dataclass(frozen=True)
class Page:
    """What the handlers work with."""

    services: Sequence[str]
    nginx: str
    copies: Copies
    session: ClientSession
    burst_lock: asyncio.Lock

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/", self._sheet)
        app.router.add_get("/presets/facts", self._facts)
        app.router.add_get("/presets/{rest:.*}", self._sheet)
        app.router.add_get(_BURST, self._burst)

    async def _sheet(self, request: web.Request) -> web.StreamResponse:
        path = _SHEET if request.path == "/" else f"/-{request.raw_path}"
        async with self._get_from_replica(path) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            with contextlib.suppress(ConnectionError, ClientConnectionError):
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
            return response

    async def _facts(self, _: web.Request) -> web.Response:
        """Answer with a replica's facts and those of the local system."""
        async with self._get_from_replica(f"{_SHEET}/facts") as answer:
            facts = await answer.json()
        return web.json_response(facts | {"photos_served": True, "burst": {"path": _BURST, "max": MAX_REQUESTS}})

    @contextlib.asynccontextmanager
    async def _get_from_replica(self, path: str) -> AsyncIterator[ClientResponse]:
        """Yield the answer of the first replica that accepts a connection. Raises `HTTPBadGateway` if none does."""
        for service in self.services:
            try:
                answer = await self.session.get(URL(service + path, encoded=True))
            except ClientConnectionError:
                continue
            async with answer:
                yield answer
            return
        raise web.HTTPBadGateway(text="no replica responds")

    async def _burst(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            raise web.HTTPForbidden(text="this is for the page itself")
        if "X-Burst" not in request.headers:
            raise web.HTTPForbidden(text="the header X-Burst is missing")
        preset, count = await self._parameters(request)
        async with self.burst_lock:
            try:
                return await self._stream_answers(request, preset, count)
            except NoPhoto:
                raise web.HTTPConflict(text="the bucket contains no photo") from None

    async def _parameters(self, request: web.Request) -> tuple[str, int]:
        async with self._get_from_replica(f"{_SHEET}/facts") as answer:
            names = {preset["name"] for preset in (await answer.json())["presets"]}
        preset, count = request.query.get("preset", ""), request.query.get("count", "")
        if preset not in names:
            raise web.HTTPBadRequest(text=f"preset must be one of {', '.join(sorted(names))}")
        if not (count.isascii() and count.isdigit() and 1 <= int(count) <= MAX_REQUESTS):
            raise web.HTTPBadRequest(text=f"count must be between 1 and {MAX_REQUESTS}")
        return preset, int(count)

    async def _stream_answers(self, request: web.Request, preset: str, count: int) -> web.StreamResponse:
        async with self.copies.fresh(preset) as preview:
            response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
            await response.prepare(request)
            async with contextlib.aclosing(send(URL(f"{self.nginx}/{preview}", encoded=True), count)) as answers:
                async for answer in answers:
                    await response.write(json.dumps(asdict(answer)).encode() + b"\n")
            return response


async def make_app(services: Sequence[str], nginx: str, copies: Copies) -> web.Application:
    """Build the application; `services` are the addresses of the replicas, `nginx` is that of nginx."""
    session = ClientSession(timeout=_TIMEOUT)
    app = web.Application()
    Page(services, nginx, copies, session, asyncio.Lock()).add_to(app)

    async def close(_: web.Application) -> None:
        await session.close()

    app.on_cleanup.append(close)
    return app
