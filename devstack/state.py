"""What the local system tells others about itself: that it runs in this checkout, and where its parts answer."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path


class AlreadyRunning(Exception):
    """A local system runs in this checkout; `pid` is its process id as it wrote it down."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"the local system runs in this folder already (process {pid}): end that one first")


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold this checkout for the duration of the block, however it ends; raises `AlreadyRunning`."""
    with (folder / "lock").open("a+", encoding="ascii") as lock:
        try:
            # The kernel gives it up with the process, so a lock left behind cannot be.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise AlreadyRunning(lock.read().strip()) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


class StackFile:
    """`.local/stack.json`: complete or not there, never half written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "stack.json"
        self.remove()

    def write(self, content: Mapping[str, object]) -> None:
        """Put `content` into it."""
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        part.replace(self._path)

    def remove(self) -> None:
        """It is gone afterwards."""
        self._path.unlink(missing_ok=True)
