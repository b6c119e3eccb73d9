"""Requests on the service's own port that aiohttp cannot parse."""

from __future__ import annotations

import json
import logging
import sys

from aiohttp.http_exceptions import BadStatusLine

from prewmanager.telemetry.logging import LibraryFormatter


def _line(error: Exception) -> str:
    try:
        raise error
    except type(error):
        record = logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "Error handling request", (), sys.exc_info())
    return LibraryFormatter().format(record)


def test_a_request_that_is_malformed_is_one_line_without_a_stack() -> None:
    text = _line(BadStatusLine("GET \x00" + "x" * 1000))

    assert json.loads(text) == {
        "level": "warning",
        "logger": "aiohttp.server",
        "exception": "BadStatusLine",
        "event": "request.malformed",
    }


def test_any_other_error_of_a_library_has_its_place() -> None:
    event = json.loads(_line(ValueError("a\nb")))

    assert event["exception"] == "ValueError"
    assert "test_malformed_requests.py" in event["frames"][0]
