"""An S3 as Amazon's is without s3:ListBucket: it denies listings, and answers 403 to a missing object."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from devstack.backends import S3
from devstack.programs import LOOPBACK

_REFUSAL = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_MISSING, _DENIED = 404, 403


@dataclass
class PrivateListing:
    """A proxy in front of a real S3.

    `denied` are keys that may not be read; `lists` allows listings, and then a missing object is 404. `requests` counts
    by method and path.
    """

    s3: S3
    lists: bool = False
    denied: set[str] = field(default_factory=set)
    requests: Counter[str] = field(default_factory=Counter)


@contextlib.contextmanager
def private_listing(s3: S3, *, lists: bool = False) -> Iterator[PrivateListing]:
    """Run the proxy inside the block; its `s3` has the proxy's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            url = urlsplit(self.path)
            proxy.requests[f"{self.command} {url.path}"] += 1
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            bucket, _, key = url.path.strip("/").partition("/")
            is_listing = self.command == "GET" and bool(bucket) and not key
            if key in proxy.denied or (is_listing and not proxy.lists):
                return self._reply(_DENIED, {}, _REFUSAL)
            connection = http.client.HTTPConnection(LOOPBACK, s3.port, timeout=10)
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
            headers = {name: value for name, value in answer.getheaders() if name.lower() != "transfer-encoding"}
            connection.close()
            if answer.status == _MISSING and not proxy.lists:
                return self._reply(_DENIED, {}, _REFUSAL)
            return self._reply(answer.status, headers, content)

        def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the standard library's
            pass

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.forward)
    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        proxy = PrivateListing(replace(s3, port=server.server_port), lists)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
