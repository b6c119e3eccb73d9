"""The current request: set once by the handler, visible to all work for it."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import structlog

from prewmanager import request_context
from prewmanager.telemetry.logging import configure_logging

_ID = "5f0c1d9a2b3e4f60718293a4b5c6d7e8"


def apart(work: Callable[[], Any], headers: Mapping[str, str]) -> Any:
    """Run `work` as part of a request with these headers, isolated from other tests."""

    def run() -> Any:
        request_context.set_request_headers(headers)
        return work()

    return contextvars.copy_context().run(run)


@pytest.mark.parametrize("given", [_ID, "order-4711", "a.b_c-d.e"])
def test_an_id_that_nginx_lets_through_is_known(given: str) -> None:
    assert apart(request_context.request_id, {"X-Request-Id": given}) == given
    assert apart(request_context.context_fields, {"X-Request-Id": given}) == {"request_id": given}


@pytest.mark.parametrize("given", ["", "short", "with space", 'quo"te', "x" * 65, "new\nline-forged", "ключ-ключ"])
def test_any_other_id_is_dropped(given: str) -> None:
    """A client that bypasses nginx writes none of its text into the logs of service and function."""
    assert apart(request_context.request_id, {"X-Request-Id": given}) is None
    assert apart(request_context.context_fields, {"X-Request-Id": given}) == {}


@pytest.mark.parametrize(
    ("given", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("made-up, 198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, unix:", ""),
        ("", ""),
    ],
)
def test_the_client_is_the_address_that_nginx_has_appended(given: str, client: str) -> None:
    assert apart(request_context.client_network, {"X-Forwarded-For": given}) == client


def test_work_for_nobody_has_no_id() -> None:
    assert contextvars.Context().run(request_context.context_fields) == {}


async def test_a_task_belongs_to_the_request_that_started_it() -> None:
    request_context.set_request_headers({"X-Request-Id": "the-first-one"})
    gate = asyncio.Event()

    async def work() -> str | None:
        await gate.wait()
        return request_context.request_id()

    first = asyncio.create_task(work())
    request_context.set_request_headers({"X-Request-Id": "the-second-one"})
    gate.set()
    assert (await first, request_context.request_id()) == ("the-first-one", "the-second-one")


def test_every_line_of_the_log_names_its_request(capfd: pytest.CaptureFixture[str]) -> None:
    try:
        configure_logging("info")
        log = structlog.get_logger()
        apart(lambda: log.info("something"), {"X-Request-Id": _ID})
        contextvars.Context().run(lambda: log.info("something else"))
        lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    finally:
        structlog.reset_defaults()

    assert [line.get("request_id") for line in lines] == [_ID, None]
