"""Requests on the service's own port that aiohttp cannot parse."""

from __future__ import annotations

import json
import logging

from aiohttp.http_exceptions import BadStatusLine

from prewmanager.telemetry.logging import LibraryFormatter
from prewmanager.telemetry.redaction import Redaction


def test_a_request_that_is_malformed_is_one_line_without_its_text() -> None:
    error = BadStatusLine("GET \x00" + "x" * 1000)
    exc_info = (type(error), error, None)
    record = logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "Error handling request", (), exc_info)
    event = json.loads(LibraryFormatter(Redaction([])).format(record))

    assert event.pop("timestamp")
    assert event == {
        "level": "warning",
        "logger": "aiohttp.server",
        "exception": "BadStatusLine",
        "event": "request.malformed",
    }
