"""One replica's report on its flights, as JSON.

replica     six hexadecimal digits, different for each process
name        host, port and process, for people
in_flight   the number of flights
waiting     the number of requests that wait for them
flights     those with the most waiters: preview, waiting, seconds so far
completed   flights completed since the report before: preview, outcome, failed, seconds, waiters, steps (milliseconds)
omitted     the number of completed flights that this report leaves out
"""

from __future__ import annotations

import heapq
import json
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from prewmanager.flights.result import FlightResult, InFlight
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Failure

MAX_FLIGHTS = 50
MAX_COMPLETED = 100


@dataclass(frozen=True, slots=True)
class Replica:
    """The sender of a report."""

    id: str
    name: str

    @classmethod
    def this(cls, port: int) -> Replica:
        """Identify this process, which listens on `port`; call it after a fork."""
        return cls(secrets.token_hex(3), f"{socket.gethostname()}:{port}, process {os.getpid()}")


@dataclass(slots=True)
class CompletedFlights:
    """Flights completed since the last report, at most `MAX_COMPLETED`; `omitted` counts the others."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    omitted: int = 0

    def add(self, preview: Preview, result: FlightResult, waiters: int, seconds: float) -> None:
        """Add a flight, or count it as omitted when `MAX_COMPLETED` is reached."""
        if len(self.rows) == MAX_COMPLETED:
            self.omitted += 1
            return
        outcome = result.outcome.kind if isinstance(result.outcome, Failure) else result.source.value
        self.rows.append(
            {
                "preview": preview.preview_key,
                "outcome": outcome,
                "failed": isinstance(result.outcome, Failure),
                "seconds": round(seconds, 3),
                "waiters": waiters,
                "steps": {name: round(ms, 1) for name, ms in result.timings_ms},
            }
        )


def report(replica: Replica, flights: Sequence[InFlight], completed: CompletedFlights) -> str:
    """Build one line of JSON, whose size the two limits above and the length of keys bound."""
    most_waiters = heapq.nlargest(MAX_FLIGHTS, flights, key=lambda flight: flight.waiters)
    content = {
        "replica": replica.id,
        "name": replica.name,
        "in_flight": len(flights),
        "waiting": sum(flight.waiters for flight in flights),
        "flights": [
            {"preview": each.preview.preview_key, "waiting": each.waiters, "seconds": round(each.seconds, 2)}
            for each in most_waiters
        ],
        "completed": completed.rows,
        "omitted": completed.omitted,
    }
    return json.dumps(content, separators=(",", ":"))
