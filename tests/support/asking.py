"""Requests over a raw socket, so that no client normalises a path on its way to nginx."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from typing import Any
from urllib.parse import quote

from devstack.programs import LOOPBACK

# Characters that browsers do not encode in a path, besides letters and digits (the URL standard's path percent-encode
# set).
LEFT_BY_BROWSERS = "/!$&'()*+,-.:;=@[]^_|~"


@dataclass(frozen=True)
class Answer:
    """A complete answer."""

    status: int
    headers: Message
    body: bytes

    @property
    def problem(self) -> Any:
        """The problem details. Raises if the answer is none."""
        assert self.headers["Content-Type"] == "application/problem+json"
        return json.loads(self.body)


def ask(  # noqa: PLR0917 -- all that a request can differ in
    port: int,
    target: str | bytes,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    within_s: float = 20,
) -> Answer:
    """Send one request with exactly this target, and read the answer; `within_s` limits each wait."""
    lines = {"Host": "previews.test", "Connection": "close", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    raw = target if isinstance(target, bytes) else target.encode()
    with socket.create_connection((LOOPBACK, port), timeout=within_s) as connection:
        connection.sendall(method.encode() + b" " + raw + b" HTTP/1.1\r\n" + head.encode() + b"\r\n" + body)
        response = HTTPResponse(connection, method=method)
        response.begin()
        with response:
            return Answer(response.status, response.headers, response.read())


def strictly(key: str) -> str:
    """Return a key's path with every character encoded that may be."""
    return "/" + quote(key, safe="/")


def lazily(key: str) -> str:
    """Return a key's path as a browser encodes it."""
    return "/" + quote(key, safe=LEFT_BY_BROWSERS)
