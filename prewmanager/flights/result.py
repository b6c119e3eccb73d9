"""Values of a flight: its result, what the flight store knows of it, and how a running one stands."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Made, Outcome, Source

Timings = tuple[tuple[str, float], ...]  # milliseconds by step, in their order: `lock`, `s3`, `lambda`


@dataclass(frozen=True, slots=True)
class FlightResult:
    """What a flight ends with, how that came about, and how long its steps took."""

    outcome: Outcome
    source: Source = Source.MADE
    timings_ms: Timings = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request gets: the preview, how it came about, and how long the flight's steps took."""

    made: Made
    source: Source
    timings_ms: Timings


@dataclass(frozen=True, slots=True)
class Completed:
    """The flight store has a result; `version` distinguishes it from a later one under the same key."""

    outcome: Outcome
    version: bytes = field(default=b"", compare=False)


@dataclass(frozen=True, slots=True)
class Held:
    """Another process has the lease."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A flight of this process that has not completed: its preview, the requests that wait, and seconds so far."""

    preview: Preview
    waiters: int
    seconds: float


class Stopwatch:
    """Adds up the time of a flight's steps."""

    def __init__(self) -> None:
        self._spent_ms: dict[str, float] = {}

    def step(self, name: str) -> _Step:
        """Add the time inside the `with` block to the step of this name."""
        return _Step(self._spent_ms, name)

    @property
    def timings_ms(self) -> Timings:
        """Milliseconds by step so far."""
        return tuple(self._spent_ms.items())


class _Step:
    def __init__(self, spent_ms: dict[str, float], name: str) -> None:
        self._spent_ms = spent_ms
        self._name = name

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent_ms = (time.perf_counter() - self._started) * 1000
        self._spent_ms[self._name] = self._spent_ms.get(self._name, 0.0) + spent_ms
