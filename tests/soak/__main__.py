"""`make soak`: SOAK_MINUTES (10), SEED (from the clock), SOAK_CLIENTS (24), SOAK_FAULTS (all; names with commas).

Exits with 1 if an answer was wrong, a client was left hanging, or something is not back to what it was before.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console

from tests.soak.faults import FAULTS
from tests.soak.report import show
from tests.soak.run import soak

FOLDER = Path(".local/soak")


def main() -> int:
    """Run the soak and return the exit code."""
    seed = int(os.environ.get("SEED") or time.time())
    minutes = float(os.environ.get("SOAK_MINUTES") or 10)
    clients = int(os.environ.get("SOAK_CLIENTS") or 24)
    names = [name for name in os.environ.get("SOAK_FAULTS", "").split(",") if name]
    if unknown := set(names) - FAULTS.keys():
        sys.stderr.write(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}\n")
        return 2
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(f"SEED={seed} for {minutes:g} minutes with {clients} clients", highlight=False)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    result = asyncio.run(soak(FOLDER.absolute(), minutes * 60, seed, clients, names or None))
    show(result, console)
    console.print(f"SEED={seed}", highlight=False)
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
