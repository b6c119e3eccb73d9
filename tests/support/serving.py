"""A server in a thread of its own, as long as a block is open."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import TypeVar

from devstack.programs import LOOPBACK

Server = TypeVar("Server", bound=BaseServer)


class QuietHandler(BaseHTTPRequestHandler):
    """Logs no requests, and sends a body at once: after its header's packet the kernel would wait 40 ms for an ACK."""

    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class LoopbackServer(ThreadingHTTPServer):
    """An HTTP server for bursts. `block_on_close` is off: a test that ends does not wait for a request that hangs."""

    # With the default, 5, the kernel drops further simultaneous connections, and they try again after 1, 3, 7 s.
    request_queue_size = 1024
    daemon_threads = True
    block_on_close = False

    @property
    def url(self) -> str:
        """`http://host:port`."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve inside the block, then close the server."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def serving_http(
    handler: type[BaseHTTPRequestHandler], host: str = LOOPBACK, port: int = 0
) -> contextlib.AbstractContextManager[LoopbackServer]:
    """Serve this handler inside the block, on a free port unless one is given."""
    return serving(LoopbackServer((host, port), handler))
