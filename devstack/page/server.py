"""The page's server: what the contact sheet of a replica answers, and the herd.

GET /               the contact sheet, as a replica serves it
GET /presets/…      its files, facts and streams, likewise
GET /herd           ?preset=, ?count=: so many requests through nginx; one line of JSON for each answer

Through nginx, which lets only GET in. /herd changes something all the same, if only a copy of a photo that is deleted
again, so it wants a header that a page of another site cannot send.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass

from aiohttp import ClientConnectionError, ClientResponse, ClientSession, ClientTimeout, web
from yarl import URL

from devstack.page.copies import Copies, NoPhoto
from devstack.page.herd import MAX_VALUES, fire

_SHEET = "/-/presets"
_HERD = "/herd"
# A stream may be silent for five seconds, when no flight is under way.
_PATIENCE = ClientTimeout(total=None, sock_connect=2, sock_read=30)
_HOP_BY_HOP = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})


@dataclass(frozen=True)
class Page:
    """What the handlers work with."""

    services: Sequence[str]
    nginx: str
    copies: Copies
    session: ClientSession
    one_herd: asyncio.Lock

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/", self._sheet)
        app.router.add_get("/presets/facts", self._facts)
        app.router.add_get("/presets/{rest:.*}", self._sheet)
        app.router.add_get(_HERD, self._herd)

    async def _sheet(self, request: web.Request) -> web.StreamResponse:
        asked = _SHEET if request.path == "/" else f"/-{request.raw_path}"
        async with self._of_a_replica(asked) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            with contextlib.suppress(ConnectionError, ClientConnectionError):
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
            return response

    async def _facts(self, _: web.Request) -> web.Response:
        """A replica's, and what the local system has besides."""
        async with self._of_a_replica(f"{_SHEET}/facts") as answer:
            facts = await answer.json()
        return web.json_response(facts | {"photo_links": True, "herd": {"path": _HERD, "most": MAX_VALUES}})

    @contextlib.asynccontextmanager
    async def _of_a_replica(self, path: str) -> AsyncIterator[ClientResponse]:
        """The answer of the first replica that is there. Raises `HTTPBadGateway` where none is."""
        for service in self.services:
            try:
                answer = await self.session.get(URL(service + path, encoded=True))
            except ClientConnectionError:
                continue
            async with answer:
                yield answer
            return
        raise web.HTTPBadGateway(text="no replica of the service answers")

    async def _herd(self, request: web.Request) -> web.StreamResponse:
        if "X-Herd" not in request.headers:
            raise web.HTTPForbidden(text="only the page itself may ask for this")
        preset, count = await self._asked(request)
        async with self.one_herd:
            try:
                return await self._fired(request, preset, count)
            except NoPhoto:
                raise web.HTTPConflict(text="there is no photo in the bucket") from None

    async def _asked(self, request: web.Request) -> tuple[str, int]:
        async with self._of_a_replica(f"{_SHEET}/facts") as answer:
            names = {preset["name"] for preset in (await answer.json())["presets"]}
        preset, count = request.query.get("preset", ""), request.query.get("count", "")
        if preset not in names:
            raise web.HTTPBadRequest(text=f"preset must be one of {', '.join(sorted(names))}")
        if not (count.isascii() and count.isdigit() and 1 <= int(count) <= MAX_VALUES):
            raise web.HTTPBadRequest(text=f"count must be from 1 to {MAX_VALUES}")
        return preset, int(count)

    async def _fired(self, request: web.Request, preset: str, count: int) -> web.StreamResponse:
        async with self.copies.fresh(preset) as preview:
            response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
            await response.prepare(request)
            async with contextlib.aclosing(fire(URL(f"{self.nginx}/{preview}", encoded=True), count)) as answers:
                async for answered in answers:
                    await response.write(json.dumps(asdict(answered)).encode() + b"\n")
            return response


async def make_app(services: Sequence[str], nginx: str, copies: Copies) -> web.Application:
    """The application; `services` are addresses of replicas, `nginx` that of the system's door."""
    session = ClientSession(timeout=_PATIENCE)
    app = web.Application()
    Page(services, nginx, copies, session, asyncio.Lock()).add_to(app)

    async def close(_: web.Application) -> None:
        await session.close()

    app.on_cleanup.append(close)
    return app
