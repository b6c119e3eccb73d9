"""The socket that the service listens at."""

from __future__ import annotations

import os
import socket

from prewmanager.errors import InvalidSettings

BACKLOG = 4096
ANY_ADDRESS = "::"


def listen(host: str, port: int) -> socket.socket:
    """Do the same for an address that settings name. Raises `InvalidSettings`."""
    try:
        return listening_socket(host, port)
    except OSError as error:
        # A name that is not found has no number of the system's errors.
        reason = "no such host" if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise InvalidSettings([f"cannot listen on PREW_HOST={host} PREW_PORT={port}: {reason}"]) from None


def listening_socket(host: str, port: int) -> socket.socket:
    """Open a listening socket, at `::` for IPv4 as well. Raises `OSError`."""
    if host == ANY_ADDRESS and not socket.has_dualstack_ipv6():
        host = "0.0.0.0"  # noqa: S104 -- as asked for, on a machine without IPv6
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == ANY_ADDRESS)
