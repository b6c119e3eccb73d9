"""A client that requests previews, one after another on one connection.

It parses answers itself: a client library's handling of headers would take a tenth of a miss.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from devstack.programs import LOOPBACK

_TIMING = re.compile(r"(\w+);dur=([\d.]+)")
_MADE = "\r\nX-Preview: made"  # in the header of an answer that was rendered for the request
_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
_RECEIVE_BYTES = 256 * 1024


@dataclass(frozen=True)
class Miss:
    """One answer: the client's wall time, its parts according to `Server-Timing`, and the bytes of its body."""

    wall_ms: float
    server_timing_ms: dict[str, float]
    size: int


def ask(port: int, paths: Iterable[str], sign: str = _MADE) -> list[Miss]:
    """Request each path. Raises `RuntimeError` for an answer that is not 200 with `sign` in its header."""
    with socket.create_connection((LOOPBACK, port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return [_ask(connection, path, sign) for path in paths]


def ask_at_once(port: int, paths: list[str], concurrency: int, sign: str = _MADE) -> list[Miss]:
    """Request all paths, on `concurrency` connections; raises as `ask`."""
    with ThreadPoolExecutor(concurrency) as threads:
        shares = [threads.submit(ask, port, paths[number::concurrency], sign) for number in range(concurrency)]
        return [miss for share in shares for miss in share.result()]


def _ask(connection: socket.socket, path: str, sign: str) -> Miss:
    request = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode()
    started = time.perf_counter()
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    size = int(length[1]) if length else 0
    missing = size - len(body)
    while missing > 0:
        missing -= len(_some(connection))
    wall_ms = (time.perf_counter() - started) * 1000
    answer = head.decode()
    if not answer.startswith("HTTP/1.1 200 ") or sign not in answer:
        raise RuntimeError(f"{path}: {answer}")
    return Miss(wall_ms, {name: float(ms) for name, ms in _TIMING.findall(answer)}, size)


def _some(connection: socket.socket) -> bytes:
    received = connection.recv(_RECEIVE_BYTES)
    if not received:
        raise RuntimeError("the connection ended in the middle of an answer")
    return received
