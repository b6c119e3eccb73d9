"""The companions of a preview: other previews of the photo that one invocation renders with it.

Each is a flight of its own in the flight store: its lease is acquired, renewed, and completed or released, and whoever
requests it meanwhile waits as for any other flight. A batch waits for no other flight, so that two previews that are
each other's companions cannot deadlock.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from prewmanager.errors import FlightStoreUnavailable, PhotoCorrupt, StorageFailed
from prewmanager.flights.lease import kept
from prewmanager.flights.parts import FlightParts
from prewmanager.flights.ports import Batch, Lease
from prewmanager.flights.result import Completed, FlightResult, Held
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Failure, Outcome, Source

T = TypeVar("T")


def open_batch(companions: Sequence[Preview], parts: FlightParts) -> contextlib.AbstractAsyncContextManager[Batch]:
    """The batch of a preview with these companions; without any it does nothing, and costs nothing."""
    return CompanionBatch(companions, parts) if companions else _NO_COMPANIONS


class _NoCompanions:
    """The batch of a preview that is rendered alone."""

    previews: tuple[Preview, ...] = ()

    async def __aenter__(self) -> Batch:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def acquire_during(self, check: Coroutine[Any, Any, T]) -> T:
        return await check

    async def complete(self, requested: Preview, outcome: Outcome, rendered: Mapping[str, Outcome]) -> None: ...


_NO_COMPANIONS = _NoCompanions()


class CompanionBatch:
    """Those companions that nobody renders, that have no cached result, and that are not stored."""

    def __init__(self, companions: Sequence[Preview], parts: FlightParts) -> None:
        self._companions = companions
        self._parts = parts
        self._started = 0.0
        # The lease of each companion, and what keeps it, by preset.
        self._leases: dict[str, Lease] = {}
        self._kept = contextlib.AsyncExitStack()

    @property
    def previews(self) -> tuple[Preview, ...]:
        """The companions whose leases this flight has acquired."""
        return tuple(each for each in self._companions if each.preset_name in self._leases)

    async def __aenter__(self) -> Batch:
        self._started = time.perf_counter()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Release the leases that are left, so that their waiters go on at once."""
        await asyncio.shield(self._release())

    async def acquire_during(self, check: Coroutine[Any, Any, T]) -> T:
        """Acquire the companions' leases while `check` runs, and return what that returns.

        At most two commands to the flight store and one existence check for each companion, all at the same time.
        """
        async with asyncio.TaskGroup() as group:
            checking = group.create_task(check)
            for companion in self._companions:
                group.create_task(self._acquire(companion))
        return checking.result()

    async def _acquire(self, companion: Preview) -> None:
        try:
            lease = await self._parts.flight_store.acquire(companion.flight_key, waits=False)
        except FlightStoreUnavailable:
            return
        if isinstance(lease, Completed | Held):
            return
        # Before the next await: from here on the batch releases it, whatever happens.
        self._leases[companion.preset_name] = lease
        if await self._is_stored(companion):
            await lease.release()
            del self._leases[companion.preset_name]
            return
        # Not sooner: a renewal would write a lease again that was released.
        await self._kept.enter_async_context(kept(lease, self._parts.timing))

    async def _is_stored(self, companion: Preview) -> bool:
        try:
            return await self._parts.store.find(companion.preview_key) is not None
        except StorageFailed:
            return False  # as for the requested preview: the check only saves work

    async def complete(self, requested: Preview, outcome: Outcome, rendered: Mapping[str, Outcome]) -> None:
        """Complete each companion's lease with its own outcome, or with a failure that is the photo's."""
        completions = []
        for companion in self.previews:
            own = rendered.get(companion.preset_name) or _shared_failure(outcome, requested, companion)
            if own is not None:
                completions.append(self._complete(companion, own))
        await asyncio.gather(*completions)

    async def _complete(self, companion: Preview, outcome: Outcome) -> None:
        lease = self._leases[companion.preset_name]
        seconds = time.perf_counter() - self._started
        self._parts.observer.completed(companion, FlightResult(outcome, Source.COMPANION), waiters=0, seconds=seconds)
        await lease.complete(outcome, self._parts.lifetimes.of(outcome))
        # Not sooner: where this is cancelled, the lease is still to be released.
        self._leases.pop(companion.preset_name, None)

    async def _release(self) -> None:
        await self._kept.aclose()
        left = [self._leases.pop(name) for name in list(self._leases)]
        await asyncio.gather(*(lease.release() for lease in left))


def _shared_failure(outcome: Outcome, requested: Preview, companion: Preview) -> Failure | None:
    """The requested preview's failure, where it is the companion's as well."""
    if not isinstance(outcome, Failure) or outcome.is_transient:
        return None
    # A photo that is too damaged for one preset may do for another.
    is_own = outcome.kind == PhotoCorrupt.kind and requested.preset.best_effort != companion.preset.best_effort
    return None if is_own else outcome
