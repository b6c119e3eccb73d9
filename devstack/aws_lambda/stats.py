"""Counts of the Lambda emulator, for tests and benchmarks."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from devstack.aws_lambda.answers import Status

RECENT = 100


@dataclass(frozen=True)
class Record:
    """One completed invocation; `init_ms` is 0 in a warm sandbox, and not part of `duration_ms`."""

    request_id: str
    function: str
    duration_ms: float
    init_ms: float
    status: Status


@dataclass
class Stats:
    """Counts since the service started; `invocations` includes running ones and excludes refused ones."""

    by_function: Counter[str] = field(default_factory=Counter)
    cold_starts: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    throttled: int = 0
    timeouts: int = 0
    errors: int = 0
    recent: deque[Record] = field(default_factory=lambda: deque(maxlen=RECENT))

    @contextlib.contextmanager
    def running(self, function: str) -> Iterator[None]:
        """Count one invocation as in flight while the block runs."""
        self.by_function[function] += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1

    def ended(self, record: Record) -> None:
        """Count an invocation's outcome; a time-out is also an error."""
        self.errors += record.status != "ok"
        self.timeouts += record.status == "timeout"
        self.recent.append(record)

    def as_json(self, sandboxes: list[int]) -> dict[str, object]:
        """The body of `/-/stats`; `sandboxes` are process ids."""
        return {
            "invocations": self.by_function.total(),
            "by_function": dict(self.by_function),
            "cold_starts": self.cold_starts,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "throttled": self.throttled,
            "timeouts": self.timeouts,
            "errors": self.errors,
            "last_duration_ms": self.recent[-1].duration_ms if self.recent else None,
            "sandboxes": sandboxes,
            "recent": [asdict(record) for record in self.recent],
        }
