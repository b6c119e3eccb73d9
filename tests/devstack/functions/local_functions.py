"""Functions for the tests of the Lambda emulator, each with one behaviour."""

from __future__ import annotations

import fcntl
import os
from functools import cache
from pathlib import Path
from typing import Any

from lambda_resize.afterwards import Extension, registered

CALLS = 0


def echo(event: Any, context: Any) -> dict[str, Any]:
    """Answer with the event, Lambda's context, and the number of calls in this sandbox."""
    global CALLS  # noqa: PLW0603 -- a warm sandbox is recognised by what it kept
    CALLS += 1
    return {
        "event": event,
        "calls": CALLS,
        "pid": os.getpid(),
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
    }


def fail(_event: Any, _context: Any) -> None:
    """Raise."""
    raise ValueError("no picture")


def leave(event: dict[str, int], _context: Any) -> None:
    """End the sandbox's process in the middle of the invocation."""
    os._exit(event["code"])


def answer(event: dict[str, int], _context: Any) -> str:
    """Answer with a JSON string of this many bytes, including its quotes."""
    return "x" * (event["bytes"] - 2)


def hang(_event: Any, _context: Any) -> None:
    """Wait for a byte that is never sent."""
    os.read(os.pipe()[0], 1)


def gated(event: dict[str, str], _context: Any) -> int:
    """Answer with the process id once the lock on the file `gate` is free."""
    with Path(event["gate"]).open("rb") as gate:
        fcntl.flock(gate, fcntl.LOCK_SH)
    return os.getpid()


def leaves_work(event: dict[str, str], _context: Any) -> int:
    """Answer with the process id; afterwards wait for the lock on the file `gate`, and write the file `done`."""

    def work() -> None:
        with Path(event["gate"]).open("rb") as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
        Path(event["done"]).write_text("done")

    extension = _extension()
    if extension is not None:
        extension.invocation_ended([work] if "gate" in event else [])
    return os.getpid()


@cache
def _extension() -> Extension | None:
    return registered(os.environ)


if os.environ.get("_HANDLER", "").endswith(".leaves_work"):
    _extension()  # while the sandbox starts, as Lambda wants it
