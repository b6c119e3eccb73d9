"""HTTP: paths to previews, outcomes to statuses, health. What is wrong is raised, and answered in one place.

GET, HEAD /prew/<preset>/<key>    the preview
GET /healthz                      200 while the process is alive
GET /readyz                       200 when S3 and Lambda answer, 503 otherwise; each is named, and so is Redis,
                                  without which the service is ready but degraded
GET /metrics                      for Prometheus
GET /-/fingerprints               of each preset, by name: whether replicas agree
GET /-/presets                    the contact sheet, where it is switched on
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from prewmanager import correlation
from prewmanager.coalescer import Answer, Coalescer
from prewmanager.contact_sheet.routes import ContactSheet
from prewmanager.errors import (
    InvalidKey,
    MethodNotAllowed,
    NotInTime,
    OriginalMissing,
    OriginalRejected,
    Overloaded,
    PreviewFailed,
    PrewError,
    UnknownPreset,
)
from prewmanager.ports import PreviewStore, Probe
from prewmanager.preview import Catalogue
from prewmanager.telemetry import Metrics

PROBE_WITHIN_S = 3.0
SERVER = "prewmanager"  # instead of the versions of Python and aiohttp
_log = structlog.get_logger(__name__)

# The first class that fits says it; what a client reads is here and nowhere else.
_STATUSES: list[tuple[type[PrewError], HTTPStatus, str]] = [
    (UnknownPreset, HTTPStatus.NOT_FOUND, "There is no such preset"),
    (InvalidKey, HTTPStatus.BAD_REQUEST, "The path is no acceptable key"),
    (MethodNotAllowed, HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed"),
    (OriginalMissing, HTTPStatus.NOT_FOUND, "There is no such photo"),
    (OriginalRejected, HTTPStatus.UNPROCESSABLE_ENTITY, "No preview can be made of this photo"),
    (Overloaded, HTTPStatus.SERVICE_UNAVAILABLE, "Too much to do at the moment"),
    (NotInTime, HTTPStatus.GATEWAY_TIMEOUT, "The preview was not made in time"),
    (PreviewFailed, HTTPStatus.BAD_GATEWAY, "The preview could not be made"),
]


@dataclass(frozen=True, slots=True)
class Service:
    """What the handlers work with; without one of `needed` it is not ready, without one of `helpful` it is degraded."""

    catalogue: Catalogue
    coalescer: Coalescer
    store: PreviewStore
    metrics: Metrics
    needed: Mapping[str, Probe]
    helpful: Mapping[str, Probe]
    sheet: ContactSheet | None = None
    middlewares: Sequence[Middleware] = ()


SERVICE = web.AppKey("service", Service)
_PRESET = web.RequestKey("preset", str)
_SOURCE = web.RequestKey("source", str)


def make_app(service: Service) -> web.Application:
    """The web application around a service."""
    app = web.Application(middlewares=[_answer_errors] if service.sheet else [])
    app.middlewares.extend(service.middlewares)
    app[SERVICE] = service
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/-/fingerprints", _fingerprints)
    if service.sheet is not None:
        service.sheet.add_to(app)
    # Everything else, newlines included: what a path means is decided from its raw form.
    app.router.add_route("*", r"/{path:[\s\S]*}", _answer)
    return app


async def _answer(request: web.Request) -> web.StreamResponse:
    """The preview, or what is wrong; accounted for either way."""
    started = time.perf_counter()
    correlation.request_began(request.headers)
    try:
        response = await _preview(request, request.app[SERVICE])
    except Exception as error:  # noqa: BLE001 -- the last resort: logged in full, told to nobody
        response = _told(error, request)
    _account(request, response.status, time.perf_counter() - started)
    return response


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """For the contact sheet alone: a middleware is a twentieth of what it takes to answer a waiter."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 -- as above
        return _told(error, request)


def _told(error: Exception, request: web.Request) -> web.Response:
    if isinstance(error, PrewError):
        request[_SOURCE] = error.kind if isinstance(error, PreviewFailed) else type(error).__name__
        return _problem(error)
    _log.exception("request.broke", path=request.raw_path)
    return _problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "Something broke", {})


async def _preview(request: web.Request, service: Service) -> web.StreamResponse:
    if request.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed
    preview = service.catalogue.resolve(request.raw_path)
    request[_PRESET] = preview.preset_name
    answer = await service.coalescer.preview(preview)
    headers = _headers(answer)
    request[_SOURCE] = answer.source.value
    if answer.made.etag and answer.made.etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    if answer.made.body is not None:
        return web.Response(body=answer.made.body, headers=headers | {"Content-Type": answer.made.content_type})
    return await _streamed(request, service.store, preview.preview_key, headers)


def _headers(answer: Answer) -> dict[str, str]:
    made = answer.made
    timings = ", ".join([f"{name};dur={ms:.1f}" for name, ms in answer.timings_ms.items()])
    headers = {"Server": SERVER, "X-Preview": answer.source.value, "Server-Timing": timings}
    if made.etag:
        headers["ETag"] = made.etag
    if made.cache_control:
        headers["Cache-Control"] = made.cache_control
    return headers


async def _streamed(request: web.Request, store: PreviewStore, key: str, headers: dict[str, str]) -> web.StreamResponse:
    """A preview that is too large to be carried around, straight from the bucket."""
    stored, pieces = await store.stream(key)
    response = web.StreamResponse(headers=headers | {"Content-Type": stored.content_type, "ETag": stored.etag})
    response.content_length = stored.size
    await response.prepare(request)
    if request.method == "GET":
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def _readyz(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    probes = {**service.helpful, **service.needed}
    answers = await asyncio.gather(*map(_answers, probes, probes.values()))
    said = {name: "ok" if answer else "failed" for name, answer in zip(probes, answers, strict=True)}
    ready = all(said[name] == "ok" for name in service.needed)
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return web.json_response({"ready": ready, "degraded": ready and not all(answers), **said}, status=status)


async def _answers(name: str, probe: Probe) -> bool:
    try:
        async with asyncio.timeout(PROBE_WITHIN_S):
            await probe.ping()
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is the probe's answer
        _log.warning("probe.failed", probe=name, error=str(error) or type(error).__name__)
        return False
    return True


async def _fingerprints(request: web.Request) -> web.Response:
    presets = request.app[SERVICE].catalogue.presets
    return web.json_response({name: preset.fingerprint for name, preset in presets.items()})


async def _metrics(request: web.Request) -> web.Response:
    content_type = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return web.Response(body=request.app[SERVICE].metrics.text(), headers=content_type)


def _account(request: web.Request, status: int, seconds: float) -> None:
    preset, source = request.get(_PRESET, ""), request.get(_SOURCE, "")
    request.app[SERVICE].metrics.answered(preset, status, source, seconds)
    # nginx's log has every request; a line for each here as well would be a third of what it takes to answer a waiter.
    if _log.is_enabled_for(logging.DEBUG):
        _log.debug(
            "request",
            method=request.method,
            path=request.raw_path,
            status=status,
            source=source,
            ms=round(seconds * 1000, 1),
        )


def _problem(error: PrewError) -> web.Response:
    status, title = next((status, title) for cls, status, title in _STATUSES if isinstance(error, cls))
    headers = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = "GET, HEAD"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after_s = error.retry_after_s if isinstance(error, PreviewFailed) else None
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_s or 1)))
    return _problem_response(status, title, headers, getattr(error, "kind", None))


def _problem_response(status: HTTPStatus, title: str, headers: dict[str, str], kind: str | None = None) -> web.Response:
    """A body as RFC 9457 has it; `kind` is the one field of our own."""
    problem: dict[str, object] = {"title": title, "status": int(status)}
    if kind is not None:
        problem["kind"] = kind
    return web.Response(
        status=status,
        body=json.dumps(problem).encode(),
        headers={"Server": SERVER, "Content-Type": "application/problem+json", "Cache-Control": "no-store", **headers},
    )
