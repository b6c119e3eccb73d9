"""The handler of previews: resolves the path, answers with the preview or a problem, and counts the answer.

Hot path: runs once per waiter, serially on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import lru_cache
from http import HTTPStatus

import structlog
from aiohttp import ClientConnectionResetError, web
from multidict import CIMultiDict

from prewmanager.errors import MethodNotAllowed, PreviewGone, PrewError, StorageFailed
from prewmanager.flights.result import Answer, Timings
from prewmanager.previews.catalogue import Catalogue, Preview
from prewmanager.previews.outcome import Source
from prewmanager.previews.ports import PreviewStore
from prewmanager.request_context import set_request_headers
from prewmanager.telemetry.metrics import Metrics
from prewmanager.web.ports import PreviewProvider
from prewmanager.web.problems import SERVER, error_name, problem
from prewmanager_presets.tags import CACHE_TAG_HEADER

_METHODS = ("GET", "HEAD")
_BUFFERED = 64 * 1024  # what a connection's buffer holds without waiting for the client
_CLIENT_CLOSED_REQUEST = 499  # nginx's status for it, which only metrics and log see
_X_PREVIEW = {source: source.value for source in Source}  # an enumeration's attribute costs as much as a header
_log = structlog.get_logger(__name__)


class PreviewHandler:
    """Answers requests for previews."""

    def __init__(self, catalogue: Catalogue, provider: PreviewProvider, store: PreviewStore, metrics: Metrics) -> None:
        self._catalogue = catalogue
        self._provider = provider
        self._store = store
        self._metrics = metrics
        # Only for debugging: nginx logs every request, and a line here costs a third of an answer's time.
        self._logs_requests = _log.is_enabled_for(logging.DEBUG)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer with the preview or a problem; nothing is sent to a client that has disconnected."""
        started, preset = time.perf_counter(), ""
        set_request_headers(request.headers)
        try:
            preview = self._catalogue.resolve(_path(request))
            preset = preview.preset_name
            source, response = await self._preview(request, preview)
        except ClientConnectionResetError:  # raised by writing to the client alone: adapters translate those of theirs
            source, response = "", web.Response(status=_CLIENT_CLOSED_REQUEST)
        except asyncio.CancelledError:  # the client has left, or the process stops
            self._metrics.answered(preset, _CLIENT_CLOSED_REQUEST, "", time.perf_counter() - started)
            raise
        except Exception as error:  # noqa: BLE001 -- the last resort: logged in full, not shown to clients
            source, response = error_name(error), problem(error, request.raw_path)
            if not isinstance(error, PrewError):
                self._metrics.request_crashed()
        seconds = time.perf_counter() - started
        self._metrics.answered(preset, response.status, source, seconds)
        if self._logs_requests:
            _log_request(request, response.status, source, seconds)
        return response

    async def _preview(self, request: web.Request, preview: Preview) -> tuple[str, web.StreamResponse]:
        try:
            return await self._answered(request, preview)
        except PreviewGone:  # before a byte was sent; the next flight finds that it is gone, and renders it again
            return await self._answered(request, preview)

    async def _answered(self, request: web.Request, preview: Preview) -> tuple[str, web.StreamResponse]:
        answer = await self._provider.preview(preview)
        return _X_PREVIEW[answer.source], await self._response(request, preview, answer)

    async def _response(self, request: web.Request, preview: Preview, answer: Answer) -> web.StreamResponse:
        made = answer.made
        headers = _headers(
            made.content_type,
            made.etag,
            made.cache_control,
            made.thumbhash,
            self._catalogue.cache_tags(preview),
            answer.source,
            answer.timings_ms,
        ).copy()
        if "If-None-Match" in request.headers and _is_known(request, made.etag):
            del headers["Content-Type"]
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        if made.body is None:
            return await self._streamed(request, preview.preview_key, headers)
        if len(made.body) > _BUFFERED and request.method == "GET":
            return await _sent(request, made.body, headers)
        return web.Response(body=made.body, headers=headers)

    async def _streamed(self, request: web.Request, key: str, headers: CIMultiDict[str]) -> web.StreamResponse:
        """Stream a preview that is too large to keep in memory from the bucket."""
        stored, pieces = await self._store.stream(key)
        headers["Content-Type"], headers["ETag"] = stored.content_type, stored.etag
        response = web.StreamResponse(headers=headers)
        response.content_length = stored.size
        await response.prepare(request)
        try:
            if request.method == "GET":
                async for piece in pieces:
                    await response.write(piece)
            await response.write_eof()
        except StorageFailed as error:
            # The status is sent: only a connection that breaks tells the client, and caches, that bytes are missing.
            _log.warning("preview.cut", key=key, error=error.detail)
            _abort(request)
        return response


async def _sent(request: web.Request, body: bytes, headers: CIMultiDict[str]) -> web.StreamResponse:
    """Send a large body, and return when the client has read most of it: until then it counts as memory in use."""
    response = web.StreamResponse(headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body)
    await response.write_eof()
    return response


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _is_known(request: web.Request, etag: str) -> bool:
    """Whether the client has this version, by the weak comparison of RFC 9110; `*` stands for any."""
    known = {each.value for each in request.if_none_match or ()}
    return "*" in known or (bool(etag) and etag.removeprefix("W/").strip('"') in known)


def _path(request: web.Request) -> str:
    if request.method not in _METHODS:
        raise MethodNotAllowed
    return request.raw_path


@lru_cache(maxsize=64)  # the waiters of one flight are answered one after the other, with the same headers
def _headers(  # noqa: PLR0917 -- the cache's key
    content_type: str,
    etag: str,
    cache_control: str | None,
    thumbhash: str | None,
    cache_tags: str,
    source: Source,
    timings_ms: Timings,
) -> CIMultiDict[str]:
    headers = CIMultiDict(
        {
            "Server": SERVER,
            "Content-Type": content_type,
            CACHE_TAG_HEADER: cache_tags,
            "X-Preview": _X_PREVIEW[source],
            "Server-Timing": ", ".join([f"{name};dur={ms:.1f}" for name, ms in timings_ms]),
        }
    )
    if etag:
        headers["ETag"] = etag
    if cache_control:
        headers["Cache-Control"] = cache_control
    if thumbhash:
        headers["X-ThumbHash"] = thumbhash
    return headers


def _log_request(request: web.Request, status: int, source: str, seconds: float) -> None:
    _log.debug(
        "request",
        method=request.method,
        path=request.raw_path,
        status=status,
        source=source,
        ms=round(seconds * 1000, 1),
    )
