"""Work after the answer, in a thread and in an extension; `tests/devstack` has one in a real runtime client."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from lambda_resize.afterwards import Extension, in_a_thread, registered
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
        assert done == list(range(number))
        lambda_api.invocations.release()
        extension.invocation_ended(lambda number=number: done.append(number))  # type: ignore[misc]  # bound now
    assert lambda_api.asked.acquire(timeout=20)

    assert done == [0, 1, 2]
    assert extension.is_running


def test_an_invocation_may_leave_nothing_and_failed_work_ends_nothing(
    api: tuple[Api, Extension], caplog: pytest.LogCaptureFixture
) -> None:
    lambda_api, extension = api

    def fails() -> None:
        raise ZeroDivisionError("the photo's check")

    with caplog.at_level(logging.WARNING):
        for work in (None, fails):
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


def test_a_thread_does_the_work_one_after_the_other() -> None:
    gate, done, all_done = threading.Event(), list[int](), threading.Event()
    in_a_thread(lambda: [gate.wait(20), done.append(1)])  # type: ignore[arg-type, func-returns-value]
    in_a_thread(lambda: [done.append(2), all_done.set()])  # type: ignore[arg-type, func-returns-value]
    assert done == []
    gate.set()
    assert all_done.wait(20)

    assert done == [1, 2]
