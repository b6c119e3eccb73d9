"""SIGINT under GNU make, which forwards SIGTERM to its child but not SIGINT: a terminal sends that to both.

SIGINT sent to make alone (`kill -INT`) would end neither: make waits for its child, which never receives it. Once make
has caught the signal it resets its handler, which is visible in /proc.
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
    """Have the kernel send this process SIGTERM when make ends."""
    die_with_parent(signal.SIGTERM)


def make_was_interrupted() -> bool:
    """Whether make, this process's parent, has caught SIGINT."""
    try:
        status = Path(f"/proc/{os.getppid()}/status").read_text()
    except OSError:
        return True
    masks = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith(("SigCgt", "SigIgn")))
    # A shell's background job inherits SIGINT as ignored: make never catches it, and was not interrupted.
    return not (int(masks["SigCgt"], 16) | int(masks["SigIgn"], 16)) & _SIGINT_BIT
