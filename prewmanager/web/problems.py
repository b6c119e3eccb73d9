"""What a client is told when something is wrong: one table of errors and statuses, one form of body."""

from __future__ import annotations

import json
import math
from http import HTTPStatus

import structlog
from aiohttp import web

from prewmanager.errors import (
    DeadlineExceeded,
    InvalidKey,
    MethodNotAllowed,
    Overloaded,
    PhotoMissing,
    PhotoRejected,
    PreviewFailed,
    PrewError,
    UnknownPreset,
)

SERVER = "prewmanager"  # instead of the versions of Python and aiohttp
_log = structlog.get_logger(__name__)

# The first class that fits says it; what a client reads is here and nowhere else.
_STATUSES: list[tuple[type[PrewError], HTTPStatus, str]] = [
    (UnknownPreset, HTTPStatus.NOT_FOUND, "There is no such preset"),
    (InvalidKey, HTTPStatus.BAD_REQUEST, "The path is no acceptable key"),
    (MethodNotAllowed, HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed"),
    (PhotoMissing, HTTPStatus.NOT_FOUND, "There is no such photo"),
    (PhotoRejected, HTTPStatus.UNPROCESSABLE_ENTITY, "No preview can be made of this photo"),
    (Overloaded, HTTPStatus.SERVICE_UNAVAILABLE, "Too much to do at the moment"),
    (DeadlineExceeded, HTTPStatus.GATEWAY_TIMEOUT, "The preview was not made in time"),
    (PreviewFailed, HTTPStatus.BAD_GATEWAY, "The preview could not be made"),
]


def named(error: Exception) -> str:
    """An error's name for metrics: its kind, its class, or nothing where it is none of ours."""
    if isinstance(error, PreviewFailed):
        return error.kind
    return type(error).__name__ if isinstance(error, PrewError) else ""


def problem(error: Exception, path: str) -> web.Response:
    """The answer in an error's place. One that is none of ours is logged in full, with the path, and told to nobody."""
    if not isinstance(error, PrewError):
        _log.error("request.broke", path=path, exc_info=error)
        return _response(HTTPStatus.INTERNAL_SERVER_ERROR, "Something broke", {})
    status, title = next((status, title) for cls, status, title in _STATUSES if isinstance(error, cls))
    headers = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = "GET, HEAD"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after_s = error.retry_after_s if isinstance(error, PreviewFailed) else None
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_s or 1)))
    return _response(status, title, headers, getattr(error, "kind", None))


def _response(status: HTTPStatus, title: str, headers: dict[str, str], kind: str | None = None) -> web.Response:
    """A body as RFC 9457 has it; `kind` is the one field of our own."""
    body: dict[str, object] = {"title": title, "status": int(status)}
    if kind is not None:
        body["kind"] = kind
    return web.Response(
        status=status,
        body=json.dumps(body).encode(),
        headers={"Server": SERVER, "Content-Type": "application/problem+json", "Cache-Control": "no-store", **headers},
    )
