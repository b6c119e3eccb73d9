"""The functions of the local system in its Lambda service, and the events of S3 that one of them is there for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from devstack import edge
from devstack.backends import S3
from devstack.environments import function_environment
from devstack.lambda_server import Lambda, start_lambda
from devstack.local_settings import LocalSettings
from devstack.programs import Program

RESIZE_HANDLER = "lambda_resize.handler.handler"
CLEANER = "prew-cleaner"
CLEANER_HANDLER = "lambda_resize.cleaner.handler@30"
# Previews that are asked for together wait a little for a sandbox, since there are few of them on one machine. With
# the function's own time-out this stays below the service's deadline for an invocation.
_QUEUE_WAIT_S = 4


def start_functions(root: Path, folder: Path, settings: LocalSettings, s3: S3, *, port: int | None = None) -> Lambda:
    """Start the Lambda service with the resize function, the cleaner and the edge function, imported from `root`."""
    edges = edge.function_environment(folder, settings.port, root / "edge.json", {})
    options = (
        f"--concurrency={max(4, 2 * (os.cpu_count() or 1))}",
        f"--queue-wait={_QUEUE_WAIT_S}",
        f"--timeout={settings.lambda_timeout_s}",
        f"--task-root={root}",
    )
    handlers = {settings.function: RESIZE_HANDLER, CLEANER: CLEANER_HANDLER, edge.FUNCTION: edge.HANDLER}
    return start_lambda(folder, handlers, *options, port=port, env=function_environment(settings, s3) | edges)


def start_s3_events(folder: Path, function: Lambda, port: int) -> Program:
    """Start what SeaweedFS tells its changes, on `port`; it need not answer yet: missed events are sent again."""
    argv = [
        sys.executable,
        "-m",
        "devstack.s3_events",
        f"--port={port}",
        f"--invoke-url={function.invoke_url(CLEANER)}",
    ]
    return Program("s3-events", argv, folder / "s3-events.log")
