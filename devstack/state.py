"""The local system's state for other programs: that it runs in this checkout, and the addresses of its parts."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path


class AlreadyRunning(Exception):
    """A local system runs in this checkout; `pid` is its process id, as text."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"a local system already runs in this folder (process {pid}): end it first")


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Lock this checkout while the block runs. Raises `AlreadyRunning`."""
    with (folder / "lock").open("a+", encoding="ascii") as lock:
        try:
            # The kernel releases the lock with the process, so that none is left behind.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise AlreadyRunning(lock.read().strip()) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


class StackFile:
    """`.local/stack.json`, written atomically."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "stack.json"
        self.remove()

    def write(self, content: Mapping[str, object]) -> None:
        """Replace its content."""
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        part.replace(self._path)

    def remove(self) -> None:
        """Delete it, if it exists."""
        self._path.unlink(missing_ok=True)
