"""Work after the answer, in a thread and in an extension; `tests/devstack` has one in a real runtime client."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from queue import SimpleQueue

import pytest

from lambda_resize.afterwards import Extension, Left, Threads, registered
from tests.support.serving import QuietHandler, serving_http

VARIABLE = "AWS_LAMBDA_RUNTIME_API"


class Api:
    """Lambda's Extensions API: `events` counts what the extension has asked for; it gets one for each `invoke`."""

    def __init__(self, breaks_once: bool = False) -> None:  # noqa: FBT001 -- a fake
        self.invocations = threading.Semaphore(0)
        self.asked = threading.Semaphore(0)
        self.breaks = breaks_once
        self.registered: dict[str, object] = {}

    def handler(api) -> type[BaseHTTPRequestHandler]:  # noqa: N805 -- the inner class has the self
        """Return the server's handler."""

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                api.registered = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer({"Lambda-Extension-Identifier": "an-id"})

            def do_GET(self) -> None:
                assert self.headers["Lambda-Extension-Identifier"] == "an-id"
                if api.breaks:
                    api.breaks = False
                    self.close_connection = True
                    return
                api.asked.release()
                if api.invocations.acquire(timeout=20):
                    self._answer({})

            def _answer(self, headers: dict[str, str]) -> None:
                self.send_response(200)
                for name, value in {**headers, "Content-Length": "2"}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"{}")

        return Handler


@pytest.fixture(name="api", params=[False, True], ids=["", "a connection breaks"])
def _api(request: pytest.FixtureRequest) -> Iterator[tuple[Api, Extension]]:
    api = Api(request.param)
    with serving_http(api.handler()) as server:
        extension = registered({VARIABLE: server.url.removeprefix("http://")})
        assert extension is not None
        yield api, extension


def test_each_invocations_work_is_done_before_the_next_event_is_asked_for(api: tuple[Api, Extension]) -> None:
    lambda_api, extension = api
    done: list[int] = []
    assert lambda_api.registered == {"events": ["INVOKE"]}
    for number in range(3):
        assert lambda_api.asked.acquire(timeout=20)
        assert len(done) == 2 * number
        lambda_api.invocations.release()
        extension.invocation_ended([partial(done.append, number), partial(done.append, -number)])
    assert lambda_api.asked.acquire(timeout=20)

    assert done == [0, 0, 1, -1, 2, -2]
    assert extension.is_running


def test_an_invocation_may_leave_nothing_and_failed_work_ends_nothing(
    api: tuple[Api, Extension], caplog: pytest.LogCaptureFixture
) -> None:
    lambda_api, extension = api

    def fails() -> None:
        raise ZeroDivisionError("the photo's check")

    with caplog.at_level(logging.WARNING):
        for work in ([], [fails]):
            assert lambda_api.asked.acquire(timeout=20)
            lambda_api.invocations.release()
            extension.invocation_ended(work)
        assert lambda_api.asked.acquire(timeout=20)

    assert [json.loads(each.getMessage()) for each in caplog.records] == [
        {"afterwards": "ZeroDivisionError: the photo's check"}
    ]


@pytest.mark.parametrize("environ", [{}, {VARIABLE: ""}, {VARIABLE: "127.0.0.1:1"}])
def test_outside_lambda_there_is_no_extension(environ: dict[str, str]) -> None:
    assert registered(environ) is None


def _unreported(_: bool) -> None:  # noqa: FBT001 -- as the callback that it stands for
    """Report to nobody."""


def test_threads_do_each_renderings_work_in_its_order_and_report_the_first_piece() -> None:
    threads, gate, done = Threads(), threading.Event(), SimpleQueue[str]()
    reports = SimpleQueue[bool]()
    threads.do([lambda: done.put("write"), gate.wait, lambda: done.put("check")], reports.put)
    assert done.get(timeout=20) == "write"
    threads.do([lambda: done.put("another's")], _unreported)
    assert done.get(timeout=20) == "another's"
    assert reports.get(timeout=20)
    gate.set()

    assert done.get(timeout=20) == "check"


def test_a_write_that_fails_is_reported_and_the_check_follows_all_the_same() -> None:
    """It may have arrived, as one whose answer is lost."""
    threads, done = Threads(), SimpleQueue[str]()
    reports: list[bool] = []

    def fails() -> None:
        raise ZeroDivisionError("the write")

    threads.do([fails, lambda: done.put("check")], reports.append)
    assert done.get(timeout=20) == "check"

    assert reports == [False]


def test_only_so_much_may_be_left_at_once() -> None:
    """Each may hold a preview's bytes: then the next is written before it is answered, and checked, too."""
    threads, gate, done = Threads(), threading.Event(), list[int]()
    ended = [threading.Event() for _ in range(8)]
    for number in range(8):
        assert threads.left().has_room
        threads.do([gate.wait, ended[number].set], _unreported)
    assert not threads.left().has_room
    threads.do([partial(done.append, 1)], _unreported)
    assert done == [1]
    gate.set()

    assert all(each.wait(20) for each in ended)


def test_what_is_left_keeps_its_order() -> None:
    left, done = Left(), list[int]()
    for number in range(3):
        left.add(partial(done.append, number))
    for work in left.work:
        work()

    assert done == [0, 1, 2]
