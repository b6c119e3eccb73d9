"""An origin-response event in the form that CloudFront documents, and a host to fetch images from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import urlencode

from lambda_resize.edge.address import Resolve
from lambda_resize.edge.fetch import Network
from lambda_resize.edge.settings import EdgeSettings
from tests.support.serving import QuietHandler, serving_http

LOOPBACK = "127.0.0.1"
DISTRIBUTION = "d0123456789abc.cloudfront.net"

Reply = Callable[["BaseHTTPRequestHandler"], None]


def origin_response(query: Mapping[str, str] | str = "", *, status: str = "404", method: str = "GET") -> dict[str, Any]:
    """Return the event, with all fields that Lambda@Edge's documentation lists."""
    return {
        "Records": [
            {
                "cf": {
                    "config": {
                        "distributionDomainName": DISTRIBUTION,
                        "distributionId": "E0000000000000",
                        "eventType": "origin-response",
                        "requestId": "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdEfGhIjKlMnOp==",
                    },
                    "request": {
                        "clientIp": "203.0.113.7",
                        "headers": {
                            "host": [{"key": "Host", "value": "photos.example.org"}],
                            "user-agent": [{"key": "User-Agent", "value": "Amazon CloudFront"}],
                            "via": [{"key": "Via", "value": f"2.0 {DISTRIBUTION} (CloudFront)"}],
                            "x-forwarded-for": [{"key": "X-Forwarded-For", "value": "203.0.113.7"}],
                        },
                        "method": method,
                        "origin": {
                            "custom": {
                                "customHeaders": {},
                                "domainName": "photos.example.org",
                                "keepaliveTimeout": 5,
                                "path": "",
                                "port": 443,
                                "protocol": "https",
                                "readTimeout": 30,
                                "sslProtocols": ["TLSv1.2"],
                            }
                        },
                        "querystring": query if isinstance(query, str) else urlencode(query),
                        "uri": "/prew/share/page.jpg",
                    },
                    "response": {
                        "headers": {
                            "content-type": [{"key": "Content-Type", "value": "application/xml"}],
                            "content-length": [{"key": "Content-Length", "value": "243"}],
                            "etag": [{"key": "ETag", "value": '"of-the-error-page"'}],
                            "date": [{"key": "Date", "value": "Mon, 02 Nov 2026 09:00:00 GMT"}],
                            "server": [{"key": "Server", "value": "AmazonS3"}],
                            "strict-transport-security": [
                                {"key": "Strict-Transport-Security", "value": "max-age=63072000"}
                            ],
                            "transfer-encoding": [{"key": "Transfer-Encoding", "value": "chunked"}],
                            "via": [{"key": "Via", "value": "1.1 origin"}],
                        },
                        "status": status,
                        "statusDescription": "Not Found" if status == "404" else "OK",
                    },
                }
            }
        ]
    }


@dataclass
class ImageHost:
    """A real HTTP server on loopback, known as `images.test`; `replies` are by path.

    The name resolves to `addresses`, one answer per lookup; the last one repeats.
    """

    replies: dict[str, Reply] = field(default_factory=dict)
    addresses: list[list[str]] = field(default_factory=lambda: [[LOOPBACK]])
    asked: list[str] = field(default_factory=list)
    lookups: int = 0

    def __enter__(self) -> Self:
        self._exits = ExitStack()
        self._server = self._exits.enter_context(serving_http(self._handler()))
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_address[1])

    @property
    def name(self) -> str:
        """The host as in URLs and the allow list."""
        return f"images.test:{self.port}"

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://{self.name}{path}"

    def settings(self, **options: Any) -> EdgeSettings:
        """Settings that allow this host, over http."""
        given: dict[str, Any] = {"allowed_hosts": (self.name,), "schemes": ("http",), "fetch_timeout_s": 5} | options
        return EdgeSettings(**given)

    @property
    def network(self) -> Network:
        """A network in which the name resolves to this server, whose one address counts as public."""
        return Network(self.lookup, permits=lambda ip: ip == LOOPBACK)

    @property
    def lookup(self) -> Resolve:
        """A resolver that counts its lookups."""

        def lookup(_host: str, _port: int) -> list[str]:
            self.lookups += 1
            return self.addresses[min(self.lookups, len(self.addresses)) - 1]

        return lookup

    def _handler(host) -> type[BaseHTTPRequestHandler]:  # noqa: N805 -- the inner class has the self
        class Handler(QuietHandler):
            def do_GET(self) -> None:
                host.asked.append(self.path)
                host.replies[self.path](self)

        return Handler


def reply(status: int = 200, body: bytes = b"", **headers: str) -> Reply:
    """Return an ordinary answer; in header names, `_` stands for `-`."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return send
