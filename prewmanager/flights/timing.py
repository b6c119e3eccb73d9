"""The times of a flight, in seconds; `settings` checks that they fit together."""

from __future__ import annotations

from dataclasses import dataclass

from prewmanager.flights.ports import Made, Outcome


@dataclass(frozen=True, slots=True)
class Timing:
    """How long what may take, in seconds."""

    lease_s: float
    lock_ttl_s: float
    invoke_s: float
    wait_s: float
    first_poll_s: float = 0.05
    longest_poll_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long the outcome of a flight is remembered, in seconds, by its kind."""

    made_s: float
    by_kind: dict[str, float]

    def of(self, outcome: Outcome) -> float:
        """Seconds for which this outcome is told to whoever asks."""
        return self.made_s if isinstance(outcome, Made) else self.by_kind[outcome.kind]
