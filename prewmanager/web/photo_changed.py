"""A photo was uploaded or removed: what the cleaner tells the service.

PUT /-/outdated/<photo's key>     its outdated previews are deleted next; `?untagged=1`: some of them have no cache tags
DELETE /-/results/<photo's key>   they are: evicts what is cached of the photo, and where such previews were noted, or
                                  flights of it are in progress, tells the caches in front

`?bucket=` names the photo's bucket, where that is a further source's; 400 for one of no source. 204; 503 where Redis
cannot be asked, or a cache cannot be told: who asks tries again.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from aiohttp import web

from prewmanager.errors import CacheUnavailable, FlightStoreUnavailable, InvalidKey, Overloaded
from prewmanager.flights.coalescer import Coalescer
from prewmanager.previews.catalogue import Catalogue, Preview, decode_path
from prewmanager.purging.photos import ChangedPhotos
from prewmanager.web.problems import problem

_OUTDATED = "/-/outdated/"
_RESULTS = "/-/results/"
_log = structlog.get_logger(__name__)


class PhotoChangedHandler:
    """Answers both requests; without `photos` there are no caches in front."""

    def __init__(self, catalogue: Catalogue, coalescer: Coalescer, photos: ChangedPhotos | None) -> None:
        self._catalogue = catalogue
        self._coalescer = coalescer
        self._photos = photos

    def add_to(self, app: web.Application, by_bucket: Mapping[str, PhotoChangedHandler]) -> None:
        """Add the routes; `by_bucket` are those that answer for photos of a bucket that is named, the main one too."""

        def named(request: web.Request) -> PhotoChangedHandler | None:
            bucket = request.query.get("bucket")
            return by_bucket.get(bucket) if bucket else self

        async def note(request: web.Request) -> web.Response:
            handler = named(request)
            return await handler.note(request) if handler else _of_no_source(request)

        async def changed(request: web.Request) -> web.Response:
            handler = named(request)
            return await handler.changed(request) if handler else _of_no_source(request)

        app.router.add_put(f"{_OUTDATED}{{photo:.+}}", note)
        app.router.add_delete(f"{_RESULTS}{{photo:.+}}", changed)

    def _photo(self, request: web.Request, route: str) -> tuple[str, list[Preview]]:
        photo_key = decode_path(request.raw_path.removeprefix(route.rstrip("/")))
        return photo_key, self._catalogue.of_photo(photo_key)

    async def note(self, request: web.Request) -> web.Response:
        """Note that previews of a photo are outdated."""
        try:
            photo_key, _ = self._photo(request, _OUTDATED)
            if self._photos is not None:
                await self._photos.note(photo_key, untagged="untagged" in request.query)
        except InvalidKey as error:
            return problem(error, request.raw_path)
        except FlightStoreUnavailable as error:
            return _unavailable(request, error)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def changed(self, request: web.Request) -> web.Response:
        """Evict, and then tell the caches: the other way round they would fetch what is about to be evicted."""
        try:
            photo_key, previews = self._photo(request, _RESULTS)
        except InvalidKey as error:
            return problem(error, request.raw_path)
        try:
            in_flight = await self._coalescer.photo_changed(photo_key, previews)
            if self._photos is not None:
                await self._photos.changed(photo_key, in_flight=in_flight)
        except FlightStoreUnavailable as error:
            return _unavailable(request, error)
        except CacheUnavailable:  # logged and counted
            return problem(Overloaded("a cache cannot be told"), request.raw_path)
        return web.Response(status=HTTPStatus.NO_CONTENT)


def _of_no_source(request: web.Request) -> web.Response:
    # The main source may have a photo of that name: to answer 204 for it would lose the other one's purge.
    return problem(InvalidKey("no source has this bucket"), request.raw_path)


def _unavailable(request: web.Request, error: FlightStoreUnavailable) -> web.Response:
    _log.warning("flight_store.unavailable", error=str(error))
    return problem(Overloaded("Redis cannot be asked"), request.raw_path)
