"""The request that the current task serves: the log, the function's log and traces all name the same request.

The handler puts the request's headers into a context variable. The flight's task copies the context of the request that
started it, so everything it logs names that request. A request that joins a flight costs one assignment, since headers
are read only when something is logged or sent to the function.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from ipaddress import IPv4Address, ip_address, ip_network

REQUEST_ID_HEADER = "X-Request-Id"
CLIENT_HEADER = "X-Forwarded-For"
_IPV6_PREFIX = 64  # of which one client may have all addresses
# The pattern of nginx/templates/prewmanager/paths.conf: these characters cannot forge a log line.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")

_headers: ContextVar[Mapping[str, str] | None] = ContextVar("request_headers", default=None)
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)

set_request_headers = _headers.set


def headers() -> Mapping[str, str]:
    """Return the headers of the current request; empty outside of any request."""
    return _headers.get() or {}


def request_id() -> str | None:
    """Return the current request's id, or None if it has none that is safe to log."""
    given = headers().get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else None


def trace_id() -> str | None:
    """Return the current request's id where it can be that of a trace, as nginx's own can; None otherwise."""
    known = request_id()
    return known if known is not None and _TRACE_ID.fullmatch(known) else None


def set_traceparent(traceparent: str) -> None:
    """Make this span, in W3C's `traceparent` format, the parent of what this task calls next."""
    _traceparent.set(traceparent)


def client_network() -> str:
    """Return the current request's client: its IPv4 address, or the network (/64) of its IPv6 one; empty if unknown.

    nginx appends the address to `X-Forwarded-For`; what a client wrote there itself is further left.
    """
    try:
        address = ip_address(headers().get(CLIENT_HEADER, "").rpartition(",")[2].strip())
    except ValueError:
        return ""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network((address, _IPV6_PREFIX), strict=False))


def context_fields() -> dict[str, str]:
    """Return the fields to send with a call: `request_id`, and `traceparent` if there is a trace."""
    known = {"request_id": request_id(), "traceparent": _traceparent.get()}
    return {name: value for name, value in known.items() if value is not None}
