"""The local system's functions in the Lambda emulator, and the S3 events that invoke one of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
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
# Simultaneous invocations wait for one of the few sandboxes on one machine. Together with the function's time-out this
# stays below the service's invoke deadline.
_QUEUE_WAIT_S = 4


def start_functions(
    root: Path, folder: Path, settings: LocalSettings, s3: S3, service_port: int, *, port: int | None = None
) -> Lambda:
    """Start the Lambda emulator with the resize function, the cleaner and the edge function, imported from `root`."""
    edges = edge.function_environment(folder, settings.port, root / "edge.json", {})
    options = (
        f"--concurrency={max(4, 2 * (os.cpu_count() or 1))}",
        f"--queue-wait={_QUEUE_WAIT_S}",
        f"--timeout={settings.lambda_timeout_s}",
        f"--task-root={root}",
    )
    handlers = {settings.function: RESIZE_HANDLER, CLEANER: CLEANER_HANDLER, edge.FUNCTION: edge.HANDLER}
    return start_lambda(
        folder, handlers, *options, port=port, env=function_environment(settings, s3, service_port) | edges
    )


def start_s3_events(
    folder: Path,
    function: Lambda,
    port: int,
    *,
    again_s: float | None = None,
    places: Mapping[str, str] | None = None,
) -> Program:
    """Start the receiver of SeaweedFS's webhook on `port`, without waiting: SeaweedFS resends missed events.

    Each event is delivered again after `again_s` seconds; None: as in production. `places`: the function's variables,
    which say where photos and previews are; None: the defaults.
    """
    argv = [
        sys.executable,
        "-m",
        "devstack.s3_events",
        f"--port={port}",
        f"--invoke-url={function.invoke_url(CLEANER)}",
        *([] if again_s is None else [f"--again-s={again_s}"]),
    ]
    return Program("s3-events", argv, folder / "s3-events.log", {**os.environ, **(places or {})})
