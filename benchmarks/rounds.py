"""One round of waiters: all of them are held, then released, and each one's lag is taken."""

from __future__ import annotations

import itertools
import random
import time

from benchmarks.systems import System, path_of
from benchmarks.waiters import Waiters

_NUMBERS = itertools.count()
_HTTP_OK = 200


class RoundFailed(Exception):
    """Not every waiter got its preview."""


def new_photo() -> str:
    """The name of a photo that no system was asked for yet."""
    return f"photo-{next(_NUMBERS)}.jpg"


def held_round(system: System, waiters: Waiters, held_s: float | None = None) -> list[float]:
    """Milliseconds from the release of the one answer to the last byte of each waiter's.

    All requests are in the replicas' hands, and have been for `held_s`, when the answer is released. Half a second to
    a whole one where it is not given: polls that began together would otherwise always be met at the same phase.
    """
    system.hold()
    waiters.ask(path_of(new_photo()))
    waiters.until_held()
    time.sleep(random.uniform(0.5, 1.0) if held_s is None else held_s)
    released = time.monotonic()
    system.release()
    ended = waiters.collect()
    check(system, waiters)
    return [(each - released) * 1000 for each in ended]


def check(system: System, waiters: Waiters) -> None:
    """Raise `RoundFailed` unless every answer of the round was 200."""
    if set(waiters.statuses) != {_HTTP_OK}:
        raise RoundFailed(f"{system.name} answered {dict(waiters.statuses)}")
