"""Clients that send half a request, or hold many: the others are answered."""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from devstack.nginx_server import Nginx
from devstack.programs import LOOPBACK
from tests.nginx.conftest import Put, StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import ask

HALF = b"GET /prew/card/a.jpg HTTP/1.1\r\nHost: previews.test\r\nX-Slow: "
SLOW = 6000  # more than one worker had connections


@pytest.fixture(name="open_files")
def _open_files() -> Iterator[int]:
    """As many descriptors as this process may have; the limit of before comes back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.fault("client-half-requests")
def test_half_sent_requests_keep_nobody_out_and_end_in_time(front: Nginx, put: Put, open_files: int) -> None:
    put("photo/slow/a.jpg", b"picture")
    assert open_files > 2 * SLOW, "the test needs more descriptors"
    with contextlib.ExitStack() as exits:
        held = []
        for number in range(SLOW):
            source = (f"127.0.0.{2 + number % 8}", 0)
            connection = socket.create_connection((LOOPBACK, front.port), timeout=30, source_address=source)
            connection.sendall(HALF)
            held.append(exits.enter_context(connection))
        answers = [ask(front.port, "/photo/slow/a.jpg") for _ in range(50)]
        # nginx ends each of them itself, by a reset; the test's time limit is the bound.
        with contextlib.suppress(ConnectionResetError):
            assert held[-1].recv(1000) == b""

    assert {(answer.status, answer.body) for answer in answers} == {(200, b"picture")}


@pytest.mark.fault("client-many-requests")
def test_a_client_has_no_more_requests_at_once_than_its_bound(
    start: StartNginx, recorders: dict[str, str], bucket: Recorder, service: Recorder
) -> None:
    bounded = start({**recorders, "PREW_NGINX_CLIENT_REQUESTS": "3", "PREW_NGINX_TRUSTED_PROXIES": "127.0.0.0/8"})
    bucket.respond = lambda _: Reply(404)
    waiting, release = threading.Semaphore(0), threading.Event()

    def respond(_: object) -> Reply:
        waiting.release()
        release.wait(20)
        return Reply(200, b"made")

    service.respond = respond

    def miss(number: int, client: str) -> int:
        return ask(bounded.port, f"/prew/card/{number}.jpg", headers={"X-Forwarded-For": client}).status

    with ThreadPoolExecutor() as threads:
        held = [threads.submit(miss, number, "192.0.2.1") for number in range(3)]
        for _ in held:
            assert waiting.acquire(timeout=20)
        beyond = ask(bounded.port, "/prew/card/4.jpg", headers={"X-Forwarded-For": "192.0.2.1"})
        other = threads.submit(miss, 5, "192.0.2.2")
        assert waiting.acquire(timeout=20)
        release.set()
        statuses = [each.result() for each in [*held, other]]

    assert (beyond.status, beyond.problem["title"]) == (429, "Too Many Requests")
    assert statuses == [200] * 4
