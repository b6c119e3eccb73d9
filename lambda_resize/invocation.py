"""An invocation's ids and costs: for the log, for traces, and for the cost meter."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Mapping
from typing import Any

# The same pattern as in nginx and the service: no id can forge a log line.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"  # MB; set by Lambda's runtime

# A sandbox is one process that runs invocations one after the other; its first one is the cold start.
_earlier = itertools.count()


class Invocation:
    """One run of the function, which begins when this is created."""

    def __init__(self, event: object, context: Any) -> None:
        """`event` may be anything: invalid ids do not fail a resize."""
        self._began = time.perf_counter()
        self._cold_start = next(_earlier) == 0
        given = event if isinstance(event, Mapping) else {}
        self.ids: dict[str, object] = {
            "request_id": _matching(_REQUEST_ID, given.get("request_id")),
            "aws_request_id": getattr(context, "aws_request_id", None),
        }
        traceparent = _matching(_TRACEPARENT, given.get("traceparent"))
        if traceparent is not None:
            self.ids["traceparent"] = traceparent

    def used(self) -> dict[str, object]:
        """Return what GB-seconds are computed from: `cold_start`, `duration_ms` so far, and in Lambda `memory_mb`."""
        used: dict[str, object] = {
            "cold_start": self._cold_start,
            "duration_ms": round((time.perf_counter() - self._began) * 1000, 1),
        }
        memory = os.environ.get(_MEMORY, "")
        return used | ({"memory_mb": int(memory)} if memory.isdecimal() else {})


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None
