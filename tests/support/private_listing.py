"""An S3 as Amazon's is without s3:ListBucket: it denies listings, and answers 403 to a missing object."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from devstack.backends import S3
from devstack.programs import LOOPBACK
from tests.support.serving import QuietHandler, serving_http

_REFUSAL = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_ABSENT = b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
_MISSING, _DENIED = 404, 403
_HELD_S = 0.01


@dataclass
class PrivateListing:
    """A proxy in front of a real S3.

    `denied` are keys that may not be read; `lists` allows listings, and then a missing object is 404. `requests` counts
    by method and path. Objects below `unseen` are missing, as in a store that shows late what was written. `held` are
    methods and keys of requests that do not reach S3 yet, and `lost` of those that never do.
    """

    s3: S3
    lists: bool = False
    denied: set[str] = field(default_factory=set)
    unseen: str | None = None
    requests: Counter[str] = field(default_factory=Counter)
    held: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    def passes(self, request: str) -> bool:
        """Return whether a request reaches S3, once it is not held any more."""
        while request in self.held:
            time.sleep(_HELD_S)
        return request not in self.lost

    def refused(self, method: str, bucket: str, key: str) -> int:
        """Return the status with which the proxy answers by itself, or 0."""
        if method not in {"GET", "HEAD"}:
            return 0
        if self.unseen is not None and key.startswith(self.unseen):
            return _MISSING
        is_listing = bool(bucket) and not key
        return _DENIED if key in self.denied or (is_listing and not self.lists) else 0


@contextlib.contextmanager
def private_listing(s3: S3, *, lists: bool = False) -> Iterator[PrivateListing]:
    """Run the proxy inside the block; its `s3` has the proxy's address."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            url = urlsplit(self.path)
            proxy.requests[f"{self.command} {url.path}"] += 1
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            bucket, _, key = url.path.strip("/").partition("/")
            if not proxy.passes(f"{self.command} {key}"):
                self.close_connection = True
                return None
            refused = proxy.refused(self.command, bucket, key)
            if refused:
                return self._reply(refused, {}, _REFUSAL if refused == _DENIED else _ABSENT)
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

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.forward)
    with serving_http(Handler) as server:
        proxy = PrivateListing(replace(s3, port=server.server_port), lists)
        yield proxy
