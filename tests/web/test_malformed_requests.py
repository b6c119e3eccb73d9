"""Requests on the service's own port that aiohttp cannot parse."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from aiohttp.http_exceptions import BadStatusLine

from prewmanager.telemetry.logging import LibrariesLines


def _line(error: Exception) -> str:
    try:
        raise error
    except type(error):
        record = logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "Error handling request", (), sys.exc_info())
    return LibrariesLines().format(record)


def test_a_request_that_is_malformed_is_one_line_without_a_stack() -> None:
    line = json.loads(_line(BadStatusLine("GET \x00" + "x" * 1000)))

    assert (line["level"], line["event"]) == ("warning", "request.malformed")
    assert len(line["detail"]) <= 200
    assert "exception" not in line


@pytest.mark.parametrize("error", [ValueError("a\nb"), OSError("c")])
def test_any_other_error_of_a_library_is_one_line_with_its_stack(error: Exception) -> None:
    text = _line(error)

    assert "\n" not in text
    assert "Traceback" in json.loads(text)["exception"]
