"""The log: one line of JSON for an event, on standard error."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from typing import Any

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

from prewmanager.request_context import request_id


def configure_logging(level: str) -> None:
    """Log events from `level` up; those of libraries from warnings up."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            _with_request_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Without the variables of each frame: they would put whole requests into the log.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    libraries = logging.StreamHandler()
    libraries.setFormatter(LibraryFormatter())
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[libraries])


class LibraryFormatter(logging.Formatter):
    """Writes who logs, and an exception's class and place; a library's texts may repeat a setting or a request.

    A request that aiohttp cannot parse is no defect, and has no place.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        event: dict[str, Any] = {"level": record.levelname.lower(), "logger": record.name}
        if record.exc_info and record.exc_info[0]:
            event["exception"] = record.exc_info[0].__name__
            if record.exc_info[0].__module__ == "aiohttp.http_exceptions":
                return json.dumps(event | {"level": "warning", "event": "request.malformed"})
            frames = traceback.extract_tb(record.exc_info[2])
            event["frames"] = [f"{each.filename}:{each.lineno} {each.name}" for each in frames]
        return json.dumps(event)


def _json(event: EventDict, **options: Any) -> bytes:
    try:
        return orjson.dumps(event, **options)
    except orjson.JSONEncodeError:
        # A path that is not UTF-8 has surrogates in it, which the standard library writes as escapes.
        return json.dumps(event, **options).encode()


def _with_request_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Name the request in each line, whichever part writes it; a flight's is the one that started it."""
    known = request_id()
    if known is not None:
        event["request_id"] = known
    return event
