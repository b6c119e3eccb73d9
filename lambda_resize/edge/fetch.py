"""Fetches an image from an allowed host: redirects checked, bytes and time bounded, no viewer's header forwarded."""

from __future__ import annotations

import http.client
import math
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lambda_resize.content_encoding import decoded
from lambda_resize.edge.address import Address, Resolve, allowed_address, resolve
from lambda_resize.edge.connection import Pinned
from lambda_resize.edge.errors import NotAnImage, SourceFailed, SourceMissing, SourceSlow, TooMuch
from lambda_resize.edge.networks import is_public
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.edge.urls import loggable, redirected
from lambda_resize.errors import Corrupt, TooLarge, Unsupported

_OK = 200
# S3 answers 403 for what does not exist to those who may not list, and 401 is for no viewer either.
_MISSING = frozenset({401, 403, 404, 410})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PIECE = 64 * 1024
# The name by which infra/viewer.js recognises this function, so that an image's host that is an alias of the
# distribution ends at the first turn.
USER_AGENT = "prewmanager-edge"
_HEADERS = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True)
class Network:
    """Name resolution, permitted addresses and TLS; the defaults are the real ones."""

    lookup: Resolve = resolve
    permits: Callable[[str], bool] = is_public
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)


@dataclass(frozen=True)
class Source:
    """A fetched image; `last_modified` is its host's header, or empty."""

    data: bytes
    last_modified: str = ""


@dataclass(frozen=True)
class _Answer:
    status: int
    location: str | None
    body: bytes
    last_modified: str


def fetch(url: str, settings: EdgeSettings, network: Network, end: float = math.inf) -> Source:
    """Return the image at `url`; `end`, of `time.monotonic`, bounds it together with the settings.

    Raises:
        Refused: The URL, or one that it redirects to, is not allowed.
        SourceMissing: 401, 403, 404 or 410.
        TooMuch: More than `settings.max_source_bytes`.
        NotAnImage: It is compressed by a method other than gzip and deflate, or not as it says.
        SourceFailed: No connection, another status, or too many redirects.
        SourceSlow: Not complete within `settings.fetch_timeout_s`, lookups and redirects included.
    """
    deadline = min(end, time.monotonic() + settings.fetch_timeout_s)
    for _ in range(settings.max_redirects + 1):
        address = allowed_address(url, settings, network.lookup, network.permits, deadline)
        answer = _request(address, deadline, settings.max_source_bytes, network.tls)
        if answer.status not in _REDIRECTS:
            return _image(url, answer)
        if answer.location is None:
            raise SourceFailed(f"{loggable(url)}: {answer.status} without a location")
        url = redirected(url, answer.location)
    raise SourceFailed(f"{loggable(url)}: more than {settings.max_redirects} redirects")


def _image(url: str, answer: _Answer) -> Source:
    if answer.status == _OK:
        return Source(answer.body, answer.last_modified)
    if answer.status in _MISSING:
        raise SourceMissing(f"{loggable(url)}: {answer.status}")
    raise SourceFailed(f"{loggable(url)}: {answer.status}")


def _request(address: Address, deadline: float, max_bytes: int, tls: ssl.SSLContext) -> _Answer:
    """Send one request, and cut its connection at the deadline: a socket's own time-out restarts at each byte."""
    connection = Pinned(address, deadline, tls)
    cut = threading.Timer(max(0.0, deadline - time.monotonic()), connection.cut)
    cut.daemon = True
    cut.start()
    try:
        connection.request("GET", address.target, headers=_HEADERS)
        response = connection.getresponse()
        body = _body(response, max_bytes)
        body = _decoded(body, response.getheader("Content-Encoding", ""), max_bytes) if body else body
        last_modified = response.getheader("Last-Modified", "")
        answer = _Answer(response.status, response.getheader("Location"), body, last_modified)
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
