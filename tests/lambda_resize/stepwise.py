"""The resize function in a process that waits at each step where a test wants it to, to be stopped or killed there.

The folder `STEPS` has a file `hold-STEP` for each step to wait at, and gets `at-STEP`, with the process's id, when the
process is there: `read`, right after the photo is read, `write`, between its age check and the write, and `check`,
between that and its check. `MAX_AGE_S` replaces the function's own.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from typing import Any

from lambda_resize import batch
from lambda_resize import handler as module
from lambda_resize.storage import MAX_AGE_S, Storage
from lambda_resize.stored import StoredPhoto

_PAUSE_S = 0.005


class Stepwise(Storage):
    """A storage that waits where it is held."""

    def read(self, *place: Any) -> StoredPhoto:
        """Read, and wait."""
        photo = super().read(*place)
        _wait_at("read")
        return photo

    def write(self, *place: Any, **described: Any) -> str:
        """Wait, and write."""
        _wait_at("write")
        return super().write(*place, **described)

    def etag(self, *place: Any) -> str:
        """Wait, and check."""
        _wait_at("check")
        return super().etag(*place)


def _wait_at(step: str) -> None:
    folder = Path(os.environ["STEPS"])
    held = folder / f"hold-{step}"
    if held.exists():
        arriving = folder / f"{os.getpid()}"
        arriving.write_text(str(os.getpid()))
        arriving.rename(folder / f"at-{step}")
        while held.exists():
            time.sleep(_PAUSE_S)


@cache
def _storage() -> Storage:
    return Stepwise.from_environment(os.environ)


def install() -> None:
    """Have the function of this process use it."""
    module._storage = _storage
    vars(batch)["MAX_AGE_S"] = float(os.environ.get("MAX_AGE_S", MAX_AGE_S))


def handler(event: object, context: Any) -> dict[str, object]:
    """Lambda's entry point."""
    install()
    return module.handler(event, context)


def resize_in_worker(event: dict[str, Any], number: int, timeout_s: float) -> dict[str, Any]:
    """A worker's."""
    from prewmanager.adapters import worker_pool

    install()
    return worker_pool._resize(event, number, timeout_s)
