"""One replica's report on its flights, as JSON.

replica     six hexadecimal digits, another one for each process
name        host, port and process, for people
in_flight   the number of flights now; waiting: of requests that wait for them
flights     those with the most waiters: preview, waiting, seconds so far
completed   flights since the report before: preview, outcome, failed, seconds, waiters, steps (milliseconds)
omitted     completed flights that this report has no room for
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
    """The replica that reports."""

    id: str
    name: str

    @classmethod
    def this(cls, port: int) -> Replica:
        """This process, which listens on `port`; call it after a fork."""
        return cls(secrets.token_hex(3), f"{socket.gethostname()}:{port}, process {os.getpid()}")


@dataclass(slots=True)
class CompletedFlights:
    """Flights completed since the last report: at most `MAX_COMPLETED`, and the number of the others."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    omitted: int = 0

    def add(self, preview: Preview, result: FlightResult, waiters: int, seconds: float) -> None:
        """Add one, or count it where there is no room."""
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
    """Build one line of JSON; the two limits above and the length of keys bound its size."""
    most_wanted = heapq.nlargest(MAX_FLIGHTS, flights, key=lambda flight: flight.waiters)
    content = {
        "replica": replica.id,
        "name": replica.name,
        "in_flight": len(flights),
        "waiting": sum(flight.waiters for flight in flights),
        "flights": [
            {"preview": each.preview.preview_key, "waiting": each.waiters, "seconds": round(each.seconds, 2)}
            for each in most_wanted
        ],
        "completed": completed.rows,
        "omitted": completed.omitted,
    }
    return json.dumps(content, separators=(",", ":"))
