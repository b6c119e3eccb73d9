"""GNU make passes SIGTERM on to what it runs, but keeps SIGINT to itself, since a terminal sends that to both.

Sent to make alone (`kill -INT`), it would end neither: make waits for its child, which knows nothing of it. When make
has caught the signal it resets its handler, and that can be seen.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from devstack.programs import die_with_parent

_SIGINT_BIT = 1 << (signal.SIGINT - 1)


def started_by_make() -> bool:
    """Whether make is this process's parent."""
    try:
        return Path(f"/proc/{os.getppid()}/comm").read_text().strip() in {"make", "gmake"}
    except OSError:
        return False


def end_with_make() -> None:
    """Have this process get SIGTERM when make ends without telling it."""
    die_with_parent(signal.SIGTERM)


def make_was_interrupted() -> bool:
    """Whether make, this process's parent, has caught SIGINT."""
    try:
        status = Path(f"/proc/{os.getppid()}/status").read_text()
    except OSError:
        return True
    masks = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith(("SigCgt", "SigIgn")))
    # A shell's background job has it ignored from the start: then make never catches it, and was not interrupted.
    return not (int(masks["SigCgt"], 16) | int(masks["SigIgn"], 16)) & _SIGINT_BIT
