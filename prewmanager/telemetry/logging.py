"""The log: one line of JSON for an event, on standard error.

A line that cannot be written, since the disk is full or nobody reads the pipe any more, is lost and counted. It is no
error of whoever logs: neither an answer nor a metric depends on it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

from prewmanager.request_context import request_id
from prewmanager.telemetry.redaction import Redaction

_STDERR = 2


class LogFile:
    """Writes lines to standard error, from any thread; a logger of structlog."""

    def __init__(self) -> None:
        self._on_loss: Callable[[], object] = lambda: None

    def report_losses(self, on_loss: Callable[[], object]) -> None:
        """Call `on_loss` for each line that cannot be written."""
        self._on_loss = on_loss

    def write(self, line: bytes) -> None:
        """Write a line without its end. Never raises."""
        left = line + b"\n"
        try:
            while left:
                left = left[os.write(_STDERR, left) :]
        except OSError:
            self._on_loss()

    debug = info = warning = error = critical = write


LOG = LogFile()


def configure_logging(level: str) -> None:
    """Log events from `level` up; those of libraries from warnings up."""
    _open_stderr()
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
        logger_factory=lambda *_: LOG,
        cache_logger_on_first_use=True,
    )
    libraries = LibraryHandler()
    libraries.setFormatter(LibraryFormatter(Redaction.of(os.environ)))
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[libraries], force=True)


def log_loose_tracebacks() -> None:
    """Have Python log what it otherwise prints: warnings, and exceptions that nobody catches, in threads too."""
    logging.captureWarnings(True)
    log = logging.getLogger("python")

    def uncaught(kind: type[BaseException], error: BaseException | None, trace: Any) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("uncaught", exc_info=(kind, error, trace) if error else None)

    sys.excepthook = uncaught
    threading.excepthook = lambda found: uncaught(found.exc_type, found.exc_value, found.exc_traceback)
    sys.unraisablehook = lambda found: uncaught(found.exc_type, found.exc_value, found.exc_traceback)


def _open_stderr() -> None:
    """Put a sink where standard error is closed: the next connection would have its number, and get the log."""
    try:
        os.fstat(_STDERR)
    except OSError:
        sink = os.open(os.devnull, os.O_WRONLY)
        if sink != _STDERR:
            os.dup2(sink, _STDERR)


class LibraryHandler(logging.Handler):
    """Writes the lines of libraries to the same log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            line = self.format(record).encode()
        except Exception:  # noqa: BLE001 -- a library that logs wrongly must not fail by it
            line = json.dumps({"level": "error", "logger": record.name, "event": "unreadable log record"}).encode()
        LOG.write(line)


class LibraryFormatter(logging.Formatter):
    """Writes what a library logs as one line, its traceback included, without secrets.

    A request that aiohttp cannot parse is no defect: its text is a client's, and is left out.
    """

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        event: dict[str, Any] = {"level": record.levelname.lower(), "timestamp": at, "logger": record.name}
        kind, error, trace = record.exc_info or (None, None, None)
        if kind is not None and kind.__module__ == "aiohttp.http_exceptions":
            return json.dumps(event | {"level": "warning", "event": "request.malformed", "exception": kind.__name__})
        event["event"] = self._redaction.applied(record.getMessage())
        if kind is not None:
            lines = "".join(traceback.format_exception(kind, error, trace))
            event |= {"exception": kind.__name__, "traceback": self._redaction.applied(lines)}
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
