"""Decides which addresses the edge function may connect to: public addresses of allowed hosts.

An allowed name may resolve to any address, and to another one a second later. So a name is resolved once, all its
addresses are checked, and the connection goes to one of these.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from lambda_resize.edge.bounded import within
from lambda_resize.edge.errors import Refused, SourceFailed, SourceSlow
from lambda_resize.edge.networks import is_public
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.edge.urls import MAX_URL_CHARACTERS, loggable

Resolve = Callable[[str, int], Sequence[str]]

# Other characters are rejected, not interpreted: parsers differ over backslashes, blanks and non-ASCII letters.
_PLAIN_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Address:
    """Where one request goes: to `port` of one of `ips`, for `host`; `target` is path and query."""

    scheme: str
    host: str
    port: int
    ips: tuple[str, ...]
    target: str


def resolve(host: str, port: int) -> list[str]:
    """Return all addresses of a name, from the system's resolver. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def allowed_address(
    url: str,
    settings: EdgeSettings,
    lookup: Resolve = resolve,
    permits: Callable[[str], bool] = is_public,
    deadline: float | None = None,
) -> Address:
    """Return the checked addresses to fetch `url` from; `deadline` (of `time.monotonic`) bounds the lookup.

    Raises:
        Refused: The URL, its host, or one of its host's addresses is not allowed.
        SourceFailed: The name cannot be resolved.
        SourceSlow: Not within the deadline.
    """
    parts = _split(url)
    if parts.scheme not in settings.schemes:
        raise Refused(f"{loggable(url)!r}: its scheme is not one of {', '.join(settings.schemes)}")
    # Compared as written: user names, default ports, trailing dots and other spellings are rejected.
    if parts.netloc not in settings.allowed_hosts:
        raise Refused(f"{loggable(url)!r}: its host is not allowed")
    host, _, port_text = parts.netloc.partition(":")
    port = int(port_text or _PORTS[parts.scheme])
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    seconds = settings.fetch_timeout_s if deadline is None else deadline - time.monotonic()
    return Address(parts.scheme, host, port, _checked_ips(host, port, lookup, permits, seconds), target)


def _split(url: str) -> SplitResult:
    if len(url) > MAX_URL_CHARACTERS or not _PLAIN_URL.fullmatch(url):
        raise Refused(f"{loggable(url)!r}: not a plain URL of at most {MAX_URL_CHARACTERS} characters")
    try:
        return urlsplit(url)
    except ValueError as error:
        raise Refused(f"{loggable(url)!r}: {error}") from error


def _checked_ips(
    host: str, port: int, lookup: Resolve, permits: Callable[[str], bool], seconds: float
) -> tuple[str, ...]:
    try:
        addresses = within(seconds, lambda: lookup(host, port))
    except TimeoutError as error:
        raise SourceSlow(f"{host}: its name is not resolved in time") from error
    except OSError as error:
        raise SourceFailed(f"{host}: {error}") from error
    # A private address among public ones is an attack rather than a mistake.
    for ip in addresses:
        if not permits(ip):
            raise Refused(f"{host}: {ip} is not public")
    if not addresses:
        raise SourceFailed(f"{host}: has no address")
    return tuple(addresses)
