"""Fetches an image from an allowed host: redirects checked, bytes and time bounded, no viewer's header forwarded."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urljoin

from lambda_resize.content_encoding import decoded
from lambda_resize.edge.address import Address, Resolve, allowed_address, is_public, resolve
from lambda_resize.edge.errors import NotAnImage, Refused, SourceFailed, SourceMissing, SourceSlow, TooMuch
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.errors import Corrupt, TooLarge, Unsupported

_OK = 200
_GONE = frozenset({404, 410})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PIECE = 64 * 1024
_HEADERS = {"User-Agent": "prewmanager-edge", "Accept": "image/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True)
class Network:
    """Name resolution, permitted addresses and TLS; the defaults are the real ones."""

    lookup: Resolve = resolve
    permits: Callable[[str], bool] = is_public
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)


@dataclass(frozen=True)
class _Answer:
    status: int
    location: str | None
    body: bytes


def fetch(url: str, settings: EdgeSettings, network: Network) -> bytes:
    """Return the bytes at `url`.

    Raises:
        Refused: The URL, or one that it redirects to, is not allowed.
        SourceMissing: 404 or 410.
        TooMuch: More than `settings.max_source_bytes`.
        NotAnImage: It is compressed by a method other than gzip and deflate, or not as it says.
        SourceFailed: No connection, another status, or too many redirects.
        SourceSlow: Not complete within `settings.fetch_timeout_s`, redirects included.
    """
    deadline = time.monotonic() + settings.fetch_timeout_s
    for _ in range(settings.max_redirects + 1):
        address = allowed_address(url, settings, network.lookup, network.permits)
        answer = _request(address, deadline, settings.max_source_bytes, network.tls)
        if answer.status not in _REDIRECTS:
            return _image(url, answer)
        if answer.location is None:
            raise SourceFailed(f"{url}: {answer.status} without a location")
        try:
            url = urljoin(url, answer.location)
        except ValueError as error:
            raise Refused(f"{url}: redirects to {answer.location[:200]!r}: {error}") from error
    raise SourceFailed(f"{url}: more than {settings.max_redirects} redirects")


def _image(url: str, answer: _Answer) -> bytes:
    if answer.status == _OK:
        return answer.body
    if answer.status in _GONE:
        raise SourceMissing(f"{url}: {answer.status}")
    raise SourceFailed(f"{url}: {answer.status}")


def _request(address: Address, deadline: float, max_bytes: int, tls: ssl.SSLContext) -> _Answer:
    """Send one request, and cut its connection at the deadline: a socket's own time-out restarts at each byte."""
    connection = _Pinned(address, max(0.001, deadline - time.monotonic()), tls)
    cut = threading.Timer(max(0.0, deadline - time.monotonic()), connection.cut)
    cut.daemon = True
    cut.start()
    try:
        connection.request("GET", address.target, headers=_HEADERS)
        response = connection.getresponse()
        body = _body(response, max_bytes)
        body = _decoded(body, response.getheader("Content-Encoding", ""), max_bytes) if body else body
        answer = _Answer(response.status, response.getheader("Location"), body)
    except (OSError, http.client.HTTPException) as error:
        if time.monotonic() >= deadline or isinstance(error, TimeoutError):
            raise SourceSlow(f"{address.host}: no complete answer in time") from error
        raise SourceFailed(f"{address.host}: {error}") from error
    finally:
        cut.cancel()
        connection.close()
    if time.monotonic() >= deadline:  # a cut connection looks like the end of a body of unknown length
        raise SourceSlow(f"{address.host}: no complete answer in time")
    return answer


def _decoded(body: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """Decode a body that is compressed although that was not asked for. Raises `EdgeError`."""
    try:
        return decoded(body, content_encoding, max_bytes)
    except TooLarge as error:
        raise TooMuch(str(error)) from error
    except (Corrupt, Unsupported) as error:
        raise NotAnImage(str(error)) from error


def _body(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """Read the body of a successful answer; other bodies are not read."""
    if response.status != _OK:
        return b""
    if response.length is not None and response.length > max_bytes:
        raise TooMuch(f"{response.length} bytes, the limit is {max_bytes}")
    pieces: list[bytes] = []
    size = 0
    while piece := response.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise TooMuch(f"more than {max_bytes} bytes")
    if response.length:  # http.client treats the end of the connection as the end of the body
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(pieces)


class _Pinned(http.client.HTTPConnection):
    """A connection to the checked address, whatever the name resolves to by now; TLS verifies the name."""

    def __init__(self, address: Address, timeout_s: float, tls: ssl.SSLContext) -> None:
        super().__init__(address.host, address.port, timeout=timeout_s)
        self.default_port = 443 if address.scheme == "https" else 80  # which the Host header leaves out
        self._address = address
        self._tls = tls

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address.ip, self._address.port), self.timeout)
        if self._address.scheme == "https":
            # The handshake is separate, so that the connection can be cut during it.
            self.sock = self._tls.wrap_socket(
                self.sock, server_hostname=self._address.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    def cut(self) -> None:
        """Fail any call that waits for this connection."""
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)
