"""The flights of a photo's other previews, which one invocation makes along with the one that somebody wants.

Each is a flight like any other on the board: its lease is claimed, renewed, and settled or given back; whoever wants
that preview meanwhile waits for it as for anybody's. Nothing here waits for another flight, so that two which want each
other's do not stand still.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from prewmanager.errors import FlightStoreUnavailable, PhotoCorrupt, StorageFailed
from prewmanager.flights.lease import renewed
from prewmanager.flights.ports import (
    Failure,
    FlightObserver,
    FlightResult,
    FlightStore,
    Lease,
    Outcome,
    PreviewStore,
    Siblings,
    Source,
)
from prewmanager.flights.timing import Lifetimes, Timing
from prewmanager.previews.catalogue import Preview


class CompanionBatch:
    """Those of one flight."""

    def __init__(  # noqa: PLR0913 -- the ports it uses, and the times
        self,
        previews: Sequence[Preview],
        *,
        flight_store: FlightStore,
        store: PreviewStore,
        observer: FlightObserver,
        timing: Timing,
        lifetimes: Lifetimes,
    ) -> None:
        """`previews`: what may be made along; `claim` finds out what of it shall be."""
        self._previews = previews
        self._flight_store = flight_store
        self._store = store
        self._observer = observer
        self._timing = timing
        self._lifetimes = lifetimes
        self._began = 0.0
        self._leases: dict[str, Lease] = {}
        self._renewals = AsyncExitStack()

    async def acquire(self) -> Siblings | None:
        """Those that nobody makes, remembers or has: they are ours to make from now on. None where there is no such.

        Two commands to the board and one look at the store for each at most, all at once.
        """
        self._began = time.perf_counter()
        async with asyncio.TaskGroup() as claims:
            for preview in self._previews:
                claims.create_task(self._acquire(preview))
        claimed = tuple(each for each in self._previews if each.preset_name in self._leases)
        return Siblings(claimed) if claimed else None

    async def _acquire(self, preview: Preview) -> None:
        try:
            lease = await self._flight_store.try_acquire(preview.flight_key)
        except FlightStoreUnavailable:
            return
        if lease is None:
            return
        # Before anything is awaited: from here on `close` gives it back, whatever happens.
        self._leases[preview.preset_name] = lease
        if await self._is_there(preview):
            del self._leases[preview.preset_name]
            await lease.release()
            return
        # Not sooner: a renewal would write a lease again that was given back.
        for_s = self._timing.lock_ttl_s - self._timing.lease_s
        await self._renewals.enter_async_context(renewed(lease, every_s=self._timing.lease_s / 3, for_s=for_s))

    async def _is_there(self, preview: Preview) -> bool:
        try:
            return await self._store.find(preview.preview_key) is not None
        except StorageFailed:
            return False  # as with the wanted one: the look only saves work

    async def land(self, companions: Siblings, wanted: Preview, outcome: Outcome) -> None:
        """Settle each with what became of it.

        `outcome` is that of the wanted preview: where the photo is to blame, it is to blame for all.
        """
        landing = []
        for preview in companions.previews:
            own = companions.outcomes.get(preview.preset_name) or _shared(outcome, wanted, preview)
            if own is not None:
                landing.append(self._land(preview, own))
        await asyncio.gather(*landing)

    async def _land(self, preview: Preview, outcome: Outcome) -> None:
        lease = self._leases.pop(preview.preset_name)
        self._observer.completed(preview, FlightResult(outcome, Source.COMPANION), time.perf_counter() - self._began)
        await lease.complete(outcome, self._lifetimes.of(outcome))

    async def close(self) -> None:
        """Renew no more, and give back the leases that are left, so that whoever waits goes on at once."""
        await self._renewals.aclose()
        left = [self._leases.pop(name) for name in list(self._leases)]
        await asyncio.gather(*(lease.release() for lease in left))


def _shared(outcome: Outcome, wanted: Preview, companion: Preview) -> Failure | None:
    """The wanted preview's failure, where it is the sibling's as well."""
    if not isinstance(outcome, Failure) or outcome.is_transient:
        return None
    # What is too damaged for one may do for the other.
    own_look = outcome.kind == PhotoCorrupt.kind and wanted.preset.best_effort != companion.preset.best_effort
    return None if own_look else outcome
