"""A connection to one of a host's checked addresses, which can be cut at a deadline."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from contextlib import suppress

from lambda_resize.edge.address import Address


class Pinned(http.client.HTTPConnection):
    """A connection to a checked address, whatever the name resolves to by now; TLS verifies the name."""

    def __init__(self, address: Address, deadline: float, tls: ssl.SSLContext) -> None:
        super().__init__(address.host, address.port, timeout=max(0.001, deadline - time.monotonic()))
        self.default_port = 443 if address.scheme == "https" else 80  # which the Host header leaves out
        self._address = address
        self._deadline = deadline
        self._tls = tls
        # `sock` is None as soon as an answer has begun whose end is the connection's; its body is still to come.
        self._opened: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the first address that answers. Raises `OSError` if none does."""
        self.sock = self._connected()
        self.sock.settimeout(max(0.001, self._deadline - time.monotonic()))
        if self._address.scheme == "https":
            # The handshake is separate, so that the connection can be cut during it.
            self.sock = self._tls.wrap_socket(
                self.sock, server_hostname=self._address.host, do_handshake_on_connect=False
            )
        self._opened = self.sock
        if time.monotonic() >= self._deadline:  # it may have been cut before there was anything to cut
            raise TimeoutError
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()

    def _connected(self) -> socket.socket:
        """Try one address after the other; a silent one has its share of the time that is left for all of them."""
        *others, last = self._address.ips
        for number, ip in enumerate(others):
            share = (self._deadline - time.monotonic()) / (len(others) + 1 - number)
            with suppress(OSError):
                return socket.create_connection((ip, self._address.port), max(0.001, share))
        return socket.create_connection((last, self._address.port), max(0.001, self._deadline - time.monotonic()))

    def cut(self) -> None:
        """Fail any call that waits for this connection."""
        if self._opened:
            with suppress(OSError):
                self._opened.shutdown(socket.SHUT_RDWR)
