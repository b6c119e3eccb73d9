"""The decoder's side: a process renders one photo at a time, and the kernel ends it when the time is up."""

from __future__ import annotations

import json
import logging
import resource
import signal
import socket
import traceback
from contextlib import suppress
from typing import NoReturn

from lambda_resize import files, vips
from lambda_resize.decoder.messages import answer_of, job_of
from lambda_resize.decoder.wire import GREETING, ClosedError, NonsenseError, Wire
from lambda_resize.resize import resize_many

# What a process may map, in bytes: twice what the largest photo needs.
MEMORY = 2 << 30
REQUEST_S = 10.0  # until the request's header is there
GRACE_S = 0.5  # beyond the time limit, at which libvips stops by itself where it can be asked to

logger = logging.getLogger(__name__)


def bound_memory(memory: int = MEMORY) -> None:
    """Bound what this process and its children may map, in bytes, unless it is bounded already."""
    _, allowed = resource.getrlimit(resource.RLIMIT_AS)
    if allowed == resource.RLIM_INFINITY or memory < allowed:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def serve(listener: socket.socket) -> NoReturn:
    """Render the photos of one connection after the other."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, also within a library
    while True:
        connection, _ = listener.accept()
        with connection:
            answer(connection)
        signal.setitimer(signal.ITIMER_REAL, 0)


def answer(connection: socket.socket) -> None:
    """Read a photo, render its previews and send them; a connection that is closed or sends nonsense is closed."""
    signal.setitimer(signal.ITIMER_REAL, REQUEST_S)
    wire = Wire(connection)
    try:
        connection.sendall(GREETING)
        job, size = job_of(wire.receive_header())
        signal.setitimer(signal.ITIMER_REAL, job.limits.max_seconds + GRACE_S)
        data = wire.receive_at_once(size)
        vips.allow_svg(allowed=job.allow_svg)
        files.allow_pdf(allowed=job.allow_pdf)
        for outcome in resize_many(data, job.specs, job.limits, placeholder=job.placeholder):
            wire.send(answer_of(outcome), getattr(outcome, "data", b""))
    except (ClosedError, OSError):
        pass  # the worker has gone
    except NonsenseError as error:
        logger.warning(json.dumps({"decoder": f"a worker sends {error}"}))
    except Exception:  # noqa: BLE001 -- one photo's fault, whatever it is
        logger.error(json.dumps({"decoder": "failed", "traceback": traceback.format_exc()}))  # noqa: TRY400 -- one line
        with suppress(OSError):
            wire.send({"kind": "internal"})
