"""An upstream that records exactly what nginx sends, and answers as the test sets it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from ssl import SSLContext

from devstack.programs import LOOPBACK
from tests.support.serving import LoopbackServer, QuietHandler, serving


@dataclass(frozen=True)
class Seen:
    """One request as received; `target` is the second word of the request line, unchanged."""

    method: str
    target: str
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer of the upstream."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Recorder:
    """A server on a free port; `respond` is replaceable, and `None` from it breaks the connection."""

    def __init__(self, name: str, host: str = LOOPBACK, port: int = 0) -> None:
        self.name = name
        self.seen: list[Seen] = []
        self.respond: Callable[[Seen], Reply | None] = self.usual
        self.connections = 0
        self.alive = threading.Event()  # what it waits for before it says that it is alive
        self.alive.set()
        self.able = True
        self.host = host
        self.server = LoopbackServer((host, port), self._handler())

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.server.server_address[1]}"

    def usual(self, _: object) -> Reply:
        """Answer 200, with a body that names this upstream."""
        return Reply(200, f"from {self.name}".encode(), {"X-Preview": "made", "Content-Type": "image/jpeg"})

    def reset(self) -> None:
        """Clear the recorded requests, and restore the usual answer."""
        self.seen.clear()
        self.alive.set()
        self.able = True
        self.respond = self.usual

    def _handler(recorder) -> type[BaseHTTPRequestHandler]:  # noqa: N805 -- `self` is the handler's inside
        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                recorder.connections += 1
                super().setup()

            def answer(self) -> None:
                if self.path == "/-/able":
                    recorder.alive.wait(30)
                    self.send_response(200 if recorder.able else 503)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                seen = Seen(self.command, self.requestline.split(" ")[1], self.headers, body)
                recorder.seen.append(seen)
                reply = recorder.respond(seen)
                if reply is None:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD" and reply.status != 304:
                    self.wfile.write(reply.body)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

        return Handler


@contextmanager
def recording(name: str, tls: SSLContext | None = None, *, host: str = LOOPBACK, port: int = 0) -> Iterator[Recorder]:
    """Run a recorder inside the block, over TLS if a context is given, on a free port unless one is given."""
    recorder = Recorder(name, host, port)
    if tls is not None:
        recorder.server.socket = tls.wrap_socket(recorder.server.socket, server_side=True)
    with serving(recorder.server):
        yield recorder
