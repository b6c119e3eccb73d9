"""The contact sheet over HTTP.

GET /-/presets                the page
GET /-/presets/facts          presets, prefixes, and this replica
GET /-/presets/photos         photos: ?prefix=, ?search=, ?cursor=
GET /-/presets/flights        reports on flights, as server-sent events
GET /-/presets/<file>         the page's files

While the page is on, X-Replica names the replica in each answer of the service, previews included.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from prewmanager.errors import InvalidKey
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.layout import MAX_KEY_BYTES
from prewmanager.previews.variants import variants
from prewmanager.web.contact_sheet.files import HEADERS, INDEX, File, page_files
from prewmanager.web.contact_sheet.photos import PhotoFinder
from prewmanager.web.contact_sheet.viewer import Delivery
from prewmanager.web.contact_sheet.watch import FlightWatch
from prewmanager_presets import Preset

PATH = "/-/presets"
REPLICA_HEADER = "X-Replica"
# A viewer that reads nothing for this long is disconnected, so that it cannot delay the service's shutdown.
WRITE_TIMEOUT_S = 3.0
_NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_EVENTS = {**_NO_STORE, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class ContactSheet:
    """The page's handlers, and what they work with."""

    presets: Mapping[str, Preset]
    catalogue: Catalogue
    finder: PhotoFinder
    watch: FlightWatch

    def add_to(self, app: web.Application) -> None:
        """Add the routes and end the streams at shutdown; call it before a route that matches every path is added."""
        pages = page_files()
        app.router.add_get(PATH, _file(pages[INDEX]))
        for name, each in pages.items():
            app.router.add_get(f"{PATH}/{name}", _file(each))
        app.router.add_get(f"{PATH}/facts", self._facts)
        app.router.add_get(f"{PATH}/photos", self._photos)
        app.router.add_get(f"{PATH}/flights", self._flights)
        app.on_response_prepare.append(self._name_replica)
        app.on_shutdown.append(self._close)

    async def _facts(self, _: web.Request) -> web.Response:
        facts = {
            "replica": asdict(self.watch.replica),
            "shared": self.watch.shared,
            "source_prefix": self.catalogue.layout.source_prefix,
            "preview_prefix": self.catalogue.layout.preview_prefix,
            "presets": [_describe(name, preset) for name, preset in sorted(self.presets.items())],
        }
        return web.json_response(facts, headers=_NO_STORE)

    async def _photos(self, request: web.Request) -> web.Response:
        query = request.query
        prefix = query.get("prefix", "")
        if len(prefix.encode(errors="replace")) > MAX_KEY_BYTES:
            raise InvalidKey(f"the prefix is longer than {MAX_KEY_BYTES} bytes")
        page = await self.finder.find(prefix, query.get("search", ""), query.get("cursor"))
        photos = [asdict(photo) | {"modified": photo.modified.isoformat()} for photo in page.photos]
        content = {"photos": photos, "searched": page.searched, "cursor": page.cursor}
        return web.json_response(content, headers=_NO_STORE)

    async def _flights(self, request: web.Request) -> web.StreamResponse:
        async with self.watch.viewer() as viewer:
            response = web.StreamResponse(headers=_EVENTS)
            await response.prepare(request)
            with contextlib.suppress(ConnectionError, TimeoutError):
                await _write(response, "retry: 2000\n\n")
                while (delivery := await viewer.next()) is not None:
                    await _write(response, _event(delivery))
            return response

    async def _name_replica(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers[REPLICA_HEADER] = self.watch.replica.id

    async def _close(self, _: web.Application) -> None:
        self.watch.close()


def _describe(name: str, preset: Preset) -> dict[str, object]:
    """Return the definition without the fields at their defaults, and the fingerprint of each variant."""
    definition = preset.changes()
    fingerprints = {variant: each.fingerprint for variant, each in variants(name, preset).items()}
    return {"name": name, "definition": definition, "fingerprints": fingerprints}


def _file(file: File) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=file.body, headers=HEADERS | {"Content-Type": file.content_type})

    return answer


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await response.write(text.encode())


def _event(delivery: Delivery) -> str:
    lost = f"event: lost\ndata: {delivery.lost}\n\n" if delivery.lost else ""
    return f"{lost}data: {delivery.report}\n\n"
