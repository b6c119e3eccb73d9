"""Problem answers: one table from errors to statuses and titles, one form of body."""

from __future__ import annotations

import json
import math
from http import HTTPStatus

import structlog
from aiohttp import web

from prewmanager.errors import (
    DeadlineExceeded,
    HostUnknown,
    InvalidKey,
    MethodNotAllowed,
    Overloaded,
    PhotoMissing,
    PhotoRejected,
    PreviewFailed,
    PrewError,
    ReplicaFailed,
    ResizerFailed,
    UnknownPreset,
    failure_classes,
)
from prewmanager.previews.outcome import Source

SERVER = "prewmanager"  # instead of the versions of Python and aiohttp
_log = structlog.get_logger(__name__)

# The first class that matches decides; clients get nothing else of an error but its kind.
STATUSES: list[tuple[type[PrewError], HTTPStatus, str]] = [
    (UnknownPreset, HTTPStatus.NOT_FOUND, "Unknown preset"),
    (InvalidKey, HTTPStatus.BAD_REQUEST, "Invalid key"),
    (MethodNotAllowed, HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed"),
    (HostUnknown, HTTPStatus.MISDIRECTED_REQUEST, "Misdirected request"),
    (PhotoMissing, HTTPStatus.NOT_FOUND, "Photo not found"),
    (PhotoRejected, HTTPStatus.UNPROCESSABLE_ENTITY, "Unprocessable photo"),
    (Overloaded, HTTPStatus.SERVICE_UNAVAILABLE, "Overloaded"),
    (ReplicaFailed, HTTPStatus.SERVICE_UNAVAILABLE, "Preview failed"),
    (DeadlineExceeded, HTTPStatus.GATEWAY_TIMEOUT, "Preview timed out"),
    (PreviewFailed, HTTPStatus.BAD_GATEWAY, "Preview failed"),
]
_SHOWN_ALIKE: tuple[type[PreviewFailed], ...] = (PhotoMissing, DeadlineExceeded, ResizerFailed)


def error_name(error: Exception) -> str:
    """Return an error's name for metrics: its kind, its class, or empty if it is not one of `errors`.

    A failure that was known before is `cached`, whatever its kind.
    """
    if isinstance(error, PreviewFailed):
        return Source.CACHED.value if error.cached else error.kind
    return type(error).__name__ if isinstance(error, PrewError) else ""


def server_failures() -> list[tuple[int, str]]:
    """Return status and name of each failure that is the service's, and not the client's or the photo's."""
    statuses = {kind: _answer(cls())[0] for kind, cls in failure_classes().items()}
    shown = [(int(status), kind) for kind, status in statuses.items() if status >= HTTPStatus.INTERNAL_SERVER_ERROR]
    return [(int(HTTPStatus.INTERNAL_SERVER_ERROR), ""), *shown]


def problem(error: Exception, path: str, **members: str) -> web.Response:
    """Build the answer for an error, with these members of its body beside the usual ones.

    An unexpected one is logged in full, with the path, and not shown.
    """
    if not isinstance(error, PrewError):
        _log.error("request.crashed", path=path, exc_info=error)
        return _response(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error", {})
    status, title = _answer(error)
    headers = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = "GET, HEAD"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after_s = error.retry_after_s if isinstance(error, PreviewFailed) else None
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_s or 1)))
    kind = _kind(error)
    return _response(status, title, headers, **({"kind": kind} if kind else {}), **members)


def _answer(error: PrewError) -> tuple[HTTPStatus, str]:
    return next((status, title) for cls, status, title in STATUSES if isinstance(error, cls))


def _kind(error: PrewError) -> str | None:
    """Return the kind that clients see: some differ for the log and the metrics alone."""
    shown = next((cls for cls in _SHOWN_ALIKE if isinstance(error, cls)), error)
    return getattr(shown, "kind", None)


def _response(status: HTTPStatus, title: str, headers: dict[str, str], **members: str) -> web.Response:
    """Build a body after RFC 9457, with extension members."""
    return web.Response(
        status=status,
        body=json.dumps({"title": title, "status": int(status), **members}).encode(),
        headers={"Server": SERVER, "Content-Type": "application/problem+json", "Cache-Control": "no-store", **headers},
    )
