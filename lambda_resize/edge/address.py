"""Decides which addresses the edge function may connect to: public addresses of allowed hosts.

An allowed name may resolve to any address, and to another one a second later. So a name is resolved once, all its
addresses are checked, and the connection goes to one of these.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from lambda_resize.edge.errors import Refused, SourceFailed
from lambda_resize.edge.settings import EdgeSettings

Resolve = Callable[[str, int], Sequence[str]]

MAX_URL_CHARACTERS = 2048
# Other characters are rejected, not interpreted: parsers differ over backslashes, blanks and non-ASCII letters.
_PLAIN_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_PORTS = {"https": 443, "http": 80}

_NATIVE_V6 = ipaddress.ip_network("2000::/3")
# Networks whose addresses embed any IPv4 address: Teredo and 6to4. NAT64's is outside 2000::/3.
_EMBEDDING_V4 = (ipaddress.ip_network("2001::/32"), ipaddress.ip_network("2002::/16"))


@dataclass(frozen=True)
class Address:
    """Where one request goes: to `ip` and `port`, for `host`; `target` is path and query."""

    scheme: str
    host: str
    port: int
    ip: str
    target: str


def resolve(host: str, port: int) -> list[str]:
    """Return all addresses of a name, from the system's resolver. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(ip: str) -> bool:
    """Whether an address belongs to the public internet, not to a private, local, link-local or special range."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:  # with a zone (fe80::1%eth0), or not an address
        return False
    if isinstance(address, ipaddress.IPv6Address) and (
        address not in _NATIVE_V6 or any(address in network for network in _EMBEDDING_V4)
    ):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def allowed_address(
    url: str, settings: EdgeSettings, lookup: Resolve = resolve, permits: Callable[[str], bool] = is_public
) -> Address:
    """Return the checked address to fetch `url` from.

    Raises:
        Refused: The URL, its host, or one of its host's addresses is not allowed.
        SourceFailed: The name cannot be resolved.
    """
    parts = _split(url)
    if parts.scheme not in settings.schemes:
        raise Refused(f"{url!r}: its scheme is not one of {', '.join(settings.schemes)}")
    # Compared as written: user names, default ports, trailing dots and other spellings are rejected.
    if parts.netloc not in settings.allowed_hosts:
        raise Refused(f"{url!r}: its host is not allowed")
    host, _, port_text = parts.netloc.partition(":")
    port = int(port_text or _PORTS[parts.scheme])
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, host, port, _checked_ip(host, port, lookup, permits), target)


def _split(url: str) -> SplitResult:
    if len(url) > MAX_URL_CHARACTERS or not _PLAIN_URL.fullmatch(url):
        raise Refused(f"{url[:200]!r}: not a plain URL of at most {MAX_URL_CHARACTERS} characters")
    try:
        return urlsplit(url)
    except ValueError as error:
        raise Refused(f"{url!r}: {error}") from error


def _checked_ip(host: str, port: int, lookup: Resolve, permits: Callable[[str], bool]) -> str:
    try:
        addresses = lookup(host, port)
    except OSError as error:
        raise SourceFailed(f"{host}: {error}") from error
    # A private address among public ones is an attack rather than a mistake.
    for ip in addresses:
        if not permits(ip):
            raise Refused(f"{host}: {ip} is not public")
    if not addresses:
        raise SourceFailed(f"{host}: has no address")
    return addresses[0]
