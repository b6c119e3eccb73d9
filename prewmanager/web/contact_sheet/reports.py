"""What one replica says of its flights, as JSON.

replica     six hexadecimal digits, another one for each process
name        host, port and process, for people
in_flight   flights now; waiting: requests that wait for them
flights     the most wanted of them: preview, waiting, seconds so far
landed      those that ended since the report before: preview, outcome, seconds, waited, steps (milliseconds)
omitted     landed ones that this report has no room for
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

from prewmanager.flights.ports import Failure, FlightResult, InFlight
from prewmanager.previews.catalogue import Preview

MOST_FLIGHTS = 50
MOST_LANDED = 100


@dataclass(frozen=True, slots=True)
class Replica:
    """Who reports."""

    id: str
    name: str

    @classmethod
    def this(cls, port: int) -> Replica:
        """This process, listening on `port`; to be asked after a fork."""
        return cls(secrets.token_hex(3), f"{socket.gethostname()}:{port}, process {os.getpid()}")


@dataclass(slots=True)
class CompletedFlights:
    """Flights that ended since the last report, at most `MOST_LANDED` of them; the rest is counted."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    omitted: int = 0

    def add(self, preview: Preview, result: FlightResult, seconds: float) -> None:
        """Note one."""
        if len(self.rows) == MOST_LANDED:
            self.omitted += 1
            return
        outcome = result.outcome.kind if isinstance(result.outcome, Failure) else result.source.value
        self.rows.append(
            {
                "preview": preview.preview_key,
                "outcome": outcome,
                "failed": isinstance(result.outcome, Failure),
                "seconds": round(seconds, 3),
                "waited": result.waiters,
                "steps": {name: round(ms, 1) for name, ms in result.timings_ms.items()},
            }
        )


def report(replica: Replica, flights: Sequence[InFlight], completed_flights: CompletedFlights) -> str:
    """One line of JSON; its length is bounded by the two limits above and by the length of keys."""
    most_wanted = heapq.nlargest(MOST_FLIGHTS, flights, key=lambda flight: flight.waiters)
    said = {
        "replica": replica.id,
        "name": replica.name,
        "in_flight": len(flights),
        "waiting": sum(flight.waiters for flight in flights),
        "flights": [
            {"preview": each.preview.preview_key, "waiting": each.waiters, "seconds": round(each.seconds, 2)}
            for each in most_wanted
        ],
        "landed": completed_flights.rows,
        "omitted": completed_flights.omitted,
    }
    return json.dumps(said, separators=(",", ":"))
