"""A client that asks for previews, one after another on a connection of its own."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from devstack.programs import LOOPBACK

_HTTP_OK = 200
_TIMING = re.compile(r"(\w+);dur=([\d.]+)")


@dataclass(frozen=True)
class Miss:
    """One answer: the client's wall time, and the parts of it that the service names in `Server-Timing`."""

    wall_ms: float
    server_timing_ms: dict[str, float]


def ask(port: int, paths: Iterable[str]) -> list[Miss]:
    """Ask for each path; raises `RuntimeError` at an answer that is not a preview made for it."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
    answers = [_ask(connection, path) for path in paths]
    connection.close()
    return answers


def ask_at_once(port: int, paths: list[str], concurrency: int) -> list[Miss]:
    """The same, on `concurrency` connections."""
    with ThreadPoolExecutor(concurrency) as threads:
        shares = [threads.submit(ask, port, paths[number::concurrency]) for number in range(concurrency)]
        return [miss for share in shares for miss in share.result()]


def _ask(connection: http.client.HTTPConnection, path: str) -> Miss:
    started = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    wall_ms = (time.perf_counter() - started) * 1000
    if response.status != _HTTP_OK or response.getheader("X-Preview") != "made":
        raise RuntimeError(f"{path}: {response.status}, X-Preview {response.getheader('X-Preview')}")
    timings = _TIMING.findall(response.getheader("Server-Timing", ""))
    return Miss(wall_ms, {name: float(ms) for name, ms in timings})
