"""The end of a flight: its lease is replaced by the result, in a form that serves those who come next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import structlog

from prewmanager.errors import StorageFailed
from prewmanager.flights.parts import FlightParts
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import FlightResult
from prewmanager.flights.unwritten import PendingWrite
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Made, Outcome

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """What a flight ends with for its preview; the result's own bytes may be needed for a while.

    `write`: the preview was answered before it is written. `is_probe`: it is looked up as soon as it is written.
    """

    result: FlightResult
    companions: Mapping[str, Outcome] = field(default_factory=lambda: MappingProxyType({}))
    write: PendingWrite | None = None
    is_probe: bool = False


async def complete(lease: Lease, preview: Preview, ending: Ending, parts: FlightParts) -> bool:
    """Complete the lease, and return whether it is; one preview in many shows how soon the bucket shows what it got.

    Where there is no room for the bytes of a preview that needs them, the flight goes on until the bucket shows it.
    """
    outcome = ending.result.outcome
    completed = await lease.complete(outcome, _life_s(ending, parts))
    if isinstance(outcome, Made) and not outcome.stored:
        if not completed:
            completed = await _completed_once_shown(lease, preview, ending, outcome, parts)
        elif ending.write is not None:
            parts.unwritten.follow(preview, replace(outcome, body=None), lease, ending.write)
    if not completed:
        _log.warning("flight.lease_lost", key=preview.preview_key)
    if ending.is_probe:
        with suppress(StorageFailed):
            found = await parts.store.find(preview.preview_key)
            parts.visibility.saw(at_once=found is not None)
    return completed


def _life_s(ending: Ending, parts: FlightParts) -> float:
    return parts.lifetimes.of(ending.result.outcome) if ending.write is None else parts.lifetimes.unwritten_s


async def _completed_once_shown(lease: Lease, preview: Preview, ending: Ending, made: Made, parts: FlightParts) -> bool:
    within_s = parts.lifetimes.unseen_s if ending.write is None else parts.lifetimes.unwritten_s
    if await _is_shown(preview, parts, within_s):
        return await lease.complete(stored := replace(made, stored=True), parts.lifetimes.of(stored))
    if ending.write is not None:
        parts.observer.write_lost(preview)
    return False


async def _is_shown(preview: Preview, parts: FlightParts, within_s: float) -> bool:
    """Wait until the bucket shows the preview; False where it does not in time."""
    loop, pause_s = asyncio.get_running_loop(), parts.timing.first_poll_s
    ends = loop.time() + within_s
    while not await _is_found(preview, parts):
        if loop.time() + pause_s > ends:
            return False
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, parts.timing.longest_poll_s)
    return True


async def _is_found(preview: Preview, parts: FlightParts) -> bool:
    with suppress(StorageFailed):
        return await parts.store.find(preview.preview_key) is not None
    return False
