"""What every flight of a process works with."""

from __future__ import annotations

from dataclasses import dataclass

from prewmanager.flights.ability import Ability
from prewmanager.flights.finding import Finding
from prewmanager.flights.lease import Lifetimes, Timing
from prewmanager.flights.memory import ResultMemory
from prewmanager.flights.ports import FlightObserver, FlightStore
from prewmanager.flights.unwritten import UnwrittenPreviews
from prewmanager.flights.visibility import Visibility
from prewmanager.previews.ports import PreviewStore
from prewmanager.resizing.photos import Photos
from prewmanager.resizing.ports import Resizer


@dataclass(frozen=True, slots=True)
class FlightParts:
    """What every flight of a process works with."""

    flight_store: FlightStore
    store: PreviewStore
    photos: Photos
    resizer: Resizer
    observer: FlightObserver
    timing: Timing
    lifetimes: Lifetimes
    memory: ResultMemory
    ability: Ability
    visibility: Visibility
    finding: Finding
    unwritten: UnwrittenPreviews
