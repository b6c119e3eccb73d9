"""Which request a piece of work is for, so that the log, the function's log and a trace tell of the same one.

The handler notes the request's headers in a context variable; the flight's task copies the context of the request that
began it, and so everything that is done and logged in it is that request's. A request that joins a flight pays for one
assignment: headers are read where something is logged, or handed to the function.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar

REQUEST_ID_HEADER = "X-Request-Id"
# As nginx/templates/prewmanager/paths.conf lets it through: letters that forge no line of a log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

_headers: ContextVar[Mapping[str, str] | None] = ContextVar("request_headers", default=None)
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)

set_request_headers = _headers.set


def headers() -> Mapping[str, str]:
    """Those of the request that this work is for; none where it is for no request."""
    return _headers.get() or {}


def request_id() -> str | None:
    """The id of the request that this work is for, or None where it has none that may be logged."""
    given = headers().get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else None


def set_traceparent(traceparent: str) -> None:
    """Have whom this task calls next see it as a child of this span, named as W3C's trace context does."""
    _traceparent.set(traceparent)


def context_fields() -> dict[str, str]:
    """What whoever works for this request is told: `request_id`, and `traceparent` where there is a trace."""
    known = {"request_id": request_id(), "traceparent": _traceparent.get()}
    return {name: value for name, value in known.items() if value is not None}
