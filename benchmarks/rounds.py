"""A round of waiters: all are held, then released, and the lag of each is measured."""

from __future__ import annotations

import itertools
import random
import time

from benchmarks.systems import System, path_of
from benchmarks.waiters import Waiters

_NUMBERS = itertools.count()
_HTTP_OK = 200


class RoundFailed(Exception):
    """A waiter did not get its preview."""


def new_photo() -> str:
    """Return a photo's name that no system has been asked for yet."""
    return f"photo-{next(_NUMBERS)}.jpg"


def held_round(system: System, waiters: Waiters, held_s: float | None = None) -> list[float]:
    """Return the milliseconds from the release of the function's answer to each waiter's last byte.

    The answer is released `held_s` after the replicas have read all requests. The default is random, half a second to
    one, so that the release does not always meet the polls at the same phase.
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
    """Raise `RoundFailed` unless all answers of the round were 200."""
    if set(waiters.statuses) != {_HTTP_OK}:
        raise RoundFailed(f"{system.name} answered {dict(waiters.statuses)}")
