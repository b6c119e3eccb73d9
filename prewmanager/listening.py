"""The socket that the service listens at."""

from __future__ import annotations

import socket

BACKLOG = 4096
ANY_ADDRESS = "::"


def listening_socket(host: str, port: int) -> socket.socket:
    """Open a listening socket, at `::` for IPv4 as well. Raises `OSError`."""
    if host == ANY_ADDRESS and not socket.has_dualstack_ipv6():
        host = "0.0.0.0"  # noqa: S104 -- as asked for, on a machine without IPv6
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == ANY_ADDRESS)
