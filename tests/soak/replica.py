"""`python -m tests.soak.replica FILE`: the service, which writes the number of its tasks to a file at SIGUSR1."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from prewmanager.cli import app


def report_tasks(file: Path) -> None:
    """Make SIGUSR1 write how many tasks the event loop has."""

    def report(*_: object) -> None:
        part = file.with_suffix(".part")
        part.write_text(str(len(asyncio.all_tasks())), encoding="ascii")
        part.replace(file)

    signal.signal(signal.SIGUSR1, report)


if __name__ == "__main__":
    report_tasks(Path(sys.argv.pop(1)))
    sys.argv[1:] = ["serve"]
    app(prog_name="prewmanager")
