"""The handler of previews: a path in, the preview out, or what is wrong; accounted for either way.

What stands here is done for each waiter, while all others wait behind it.
"""

from __future__ import annotations

import logging
import time
from http import HTTPStatus

import structlog
from aiohttp import web
from multidict import CIMultiDict

from prewmanager import request_context
from prewmanager.errors import MethodNotAllowed
from prewmanager.flights.coalescer import Answer, Coalescer
from prewmanager.flights.ports import PreviewStore, Source
from prewmanager.previews.catalogue import Catalogue, Preview
from prewmanager.telemetry.metrics import Metrics
from prewmanager.web.problems import SERVER, named, problem

_METHODS = ("GET", "HEAD")
_SAID = {source: source.value for source in Source}  # the attribute of an enumeration takes as long as a header
_log = structlog.get_logger(__name__)


class Previews:
    """Answers requests for previews."""

    def __init__(self, catalogue: Catalogue, coalescer: Coalescer, store: PreviewStore, metrics: Metrics) -> None:
        self._catalogue = catalogue
        self._coalescer = coalescer
        self._store = store
        self._metrics = metrics
        self._told: Answer | None = None
        self._told_headers: CIMultiDict[str] = CIMultiDict()
        # nginx's log has every request: a line for each here as well would be a third of what it takes to answer one.
        self._logs_each = _log.is_enabled_for(logging.DEBUG)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The preview, or a problem; never raises but where the client is gone."""
        started, preset = time.perf_counter(), ""
        request_context.set_request_headers(request.headers)
        try:
            preview = self._catalogue.resolve(_path(request))
            preset = preview.preset_name
            answer = await self._coalescer.preview(preview)
            source = _SAID[answer.source]
            response = await self._response(request, preview, answer)
        except Exception as error:  # noqa: BLE001 -- the last resort: logged in full, told to nobody
            source, response = named(error), problem(error, request.raw_path)
        seconds = time.perf_counter() - started
        self._metrics.answered(preset, response.status, source, seconds)
        if self._logs_each:
            _log_it(request, response.status, source, seconds)
        return response

    async def _response(self, request: web.Request, preview: Preview, answer: Answer) -> web.StreamResponse:
        made, headers = answer.made, self._headers(answer)
        if made.etag and made.etag in request.headers.get("If-None-Match", ""):
            del headers["Content-Type"]
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        if made.body is not None:
            return web.Response(body=made.body, headers=headers)
        return await self._streamed(request, preview.preview_key, headers)

    def _headers(self, answer: Answer) -> CIMultiDict[str]:
        """Those who waited for the same flight are answered one after the other, and told the same."""
        told = self._told
        if told is None or told.timings_ms is not answer.timings_ms or told.source is not answer.source:
            self._told, self._told_headers = answer, _headers(answer)
        return self._told_headers.copy()

    async def _streamed(self, request: web.Request, key: str, headers: CIMultiDict[str]) -> web.StreamResponse:
        """A preview that is too large to be carried around, straight from the bucket."""
        stored, pieces = await self._store.stream(key)
        headers["Content-Type"], headers["ETag"] = stored.content_type, stored.etag
        response = web.StreamResponse(headers=headers)
        response.content_length = stored.size
        await response.prepare(request)
        if request.method == "GET":
            async for piece in pieces:
                await response.write(piece)
        await response.write_eof()
        return response


def _path(request: web.Request) -> str:
    if request.method not in _METHODS:
        raise MethodNotAllowed
    return request.raw_path


def _headers(answer: Answer) -> CIMultiDict[str]:
    made = answer.made
    headers = CIMultiDict(
        {
            "Server": SERVER,
            "Content-Type": made.content_type,
            "X-Preview": _SAID[answer.source],
            "Server-Timing": ", ".join([f"{name};dur={ms:.1f}" for name, ms in answer.timings_ms.items()]),
        }
    )
    if made.etag:
        headers["ETag"] = made.etag
    if made.cache_control:
        headers["Cache-Control"] = made.cache_control
    if made.thumbhash:
        headers["X-ThumbHash"] = made.thumbhash
    return headers


def _log_it(request: web.Request, status: int, source: str, seconds: float) -> None:
    _log.debug(
        "request",
        method=request.method,
        path=request.raw_path,
        status=status,
        source=source,
        ms=round(seconds * 1000, 1),
    )
