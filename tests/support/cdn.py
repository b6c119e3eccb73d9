"""A CDN in front of nginx: it keeps what it gets, by path and `Accept`, until a tag or a path is invalidated.

Its API is CloudFront's: POST /2020-05-31/distribution/<id>/invalidation, whose items are paths, or tags after a #.
"""

from __future__ import annotations

import fnmatch
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler

from devstack.programs import LOOPBACK
from tests.support.serving import LoopbackServer, QuietHandler, serving

_ITEM = re.compile(r"<Path>(.*?)</Path>")
_ANSWER = """<?xml version="1.0"?>
<Invalidation xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Id>I1</Id><Status>InProgress</Status>
<CreateTime>2026-11-27T00:00:00Z</CreateTime></Invalidation>"""


@dataclass(frozen=True)
class _Kept:
    body: bytes
    headers: dict[str, str]

    @property
    def tags(self) -> set[str]:
        return {each.strip() for each in self.headers.get("x-amz-meta-cache-tag", "").split(",")}


@dataclass
class Cdn:
    """A distribution in front of an origin on this machine; `invalidations` has the items of each request."""

    origin_port: int = 0
    invalidations: list[list[str]] = field(default_factory=list)
    failing: bool = False
    kept: dict[tuple[str, str], _Kept] = field(default_factory=dict)
    purged: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def get(self, path: str, accept: str) -> tuple[bool, bytes]:
        """Return whether it was a hit, and the body; only a 200 is kept."""
        found = self.kept.get((path, accept))
        if found is not None:
            return True, found.body
        connection = HTTPConnection(LOOPBACK, self.origin_port, timeout=30)
        connection.request("GET", path, headers={"Accept": accept})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, (path, answer.status, body[:200])
        headers = {name.lower(): value for name, value in answer.getheaders()}
        self.kept[path, accept] = _Kept(body, headers)
        return False, body

    def invalidate(self, items: list[str]) -> None:
        """Forget what has one of these tags or paths."""
        for item in items:
            for (path, accept), each in list(self.kept.items()):
                gone = item[1:] in each.tags if item.startswith("#") else fnmatch.fnmatchcase(path, item)
                if gone:
                    del self.kept[path, accept]
        self.invalidations.append(items)
        self.purged.set()


def _handler(cdn: Cdn) -> type[BaseHTTPRequestHandler]:
    class Api(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            assert re.fullmatch(r"/2020-05-31/distribution/[A-Z0-9]+/invalidation", self.path), self.path
            if not cdn.failing:
                cdn.invalidate(_ITEM.findall(body))
            answer = _ANSWER.encode()
            self.send_response(503 if cdn.failing else 201)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    return Api


@contextmanager
def running_cdn() -> Iterator[Cdn]:
    """Serve the API of a CDN inside the block; the origin is set by who starts that."""
    cdn = Cdn()
    with serving(LoopbackServer((LOOPBACK, 0), _handler(cdn))) as server:
        cdn.url = server.url
        yield cdn
