"""Polishes what waits, one preview at a time in each process, while the resizer has room.

    waits ──acquired──▶ HEAD of the preview ──▶ rendered at the most effort ──▶ replaced, if it is still the same
                        └ gone, polished, another preset's      └ too little    └ changed meanwhile

A live request never waits for it: it begins only while nothing queues, at most half of the slots are in use and the
whole quota of resizes is there, and has a slot of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import structlog

from prewmanager.errors import (
    FlightStoreUnavailable,
    InvalidKey,
    Overloaded,
    PhotoFatal,
    PhotoMissing,
    PreviewFailed,
    StorageFailed,
    Transient,
)
from prewmanager.polishing.fates import Fate
from prewmanager.polishing.ports import PolishLease, PolishObserver, PolishQueue
from prewmanager.previews.catalogue import Catalogue, Preview
from prewmanager.previews.inventory import ObjectHead
from prewmanager.previews.ports import ObjectReader
from prewmanager.resizing.load import Load
from prewmanager.resizing.polish import Polished, Polisher, PolishJob
from prewmanager.resizing.ports import Quota
from prewmanager.tasks import end

MOST_ATTEMPTS = 2  # a process that is killed loses none, and a photo kills no more than two
LEAST_SAVED = 0.05  # of a preview's bytes
_NO_ROOM_S = 0.25  # until a busy resizer is looked at again
_EMPTY_S = 1.0
_AWAY_S = 5.0  # while Redis is
_AGAIN_S = 60.0  # until a preview is tried again
_UNABLE_S = 600.0  # until a function that cannot polish, or a store that does not compare ETags, may have changed
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Polishing:
    """What polishing works with; `rate` is its own, `resizes` that of all resizes, if there is one."""

    queue: PolishQueue
    catalogue: Catalogue
    previews: ObjectReader
    polisher: Polisher
    load: Load
    rate: Quota
    resizes: Quota | None
    observer: PolishObserver
    within_s: float

    async def step(self) -> float:
        """Polish one preview, if one waits and there is room; return the seconds until the next step."""
        try:
            if not await self._has_room():
                return _NO_ROOM_S
            wait_s = await self.rate.consume("")
            if wait_s > 0:
                return wait_s
            lease = await self.queue.acquire()
            return _EMPTY_S if lease is None else await self._finish(lease)
        except FlightStoreUnavailable:
            return _AWAY_S

    async def _has_room(self) -> bool:
        load = self.load
        if not self.polisher.can_polish or load.queued or load.running > load.at_once // 2:
            return False
        return self.resizes is None or await self.resizes.is_whole()

    async def _finish(self, lease: PolishLease) -> float:
        """Polish an acquired preview, and take it off the queue; return the seconds until the next one."""
        preview = self._preview(lease)
        try:
            fate, before, after = await self._polish(lease, preview) if preview else (Fate.OTHER_PRESET, 0, 0)
        except Overloaded:
            await self.queue.put_back(lease, _AGAIN_S, tried=False)
            return _AGAIN_S
        except PhotoMissing:
            fate, before, after = Fate.CHANGED, 0, 0
        except PreviewFailed as error:
            if isinstance(error, Transient | PhotoFatal) and lease.attempt == 1:
                await self.queue.put_back(lease, _AGAIN_S, tried=True)
                return 0.0
            _log.info("polish.failed", photo=lease.waiting.photo, preset=lease.waiting.preset_name, error=error.detail)
            fate, before, after = Fate.FAILED, 0, 0
        await self.queue.done(lease, fate, before - after)
        self.observer.ended(preview.preview_key if preview else lease.waiting.photo, fate, before, after)
        return _UNABLE_S if fate is Fate.UNABLE else 0.0

    def _preview(self, lease: PolishLease) -> Preview | None:
        """Return the preview, if the settings still have its preset."""
        waiting = lease.waiting
        preset = self.catalogue.presets.get(waiting.preset_name)
        if preset is None or preset.fingerprint != waiting.fingerprint:
            return None
        with contextlib.suppress(InvalidKey):
            return self.catalogue.preview(waiting.preset_name, waiting.photo)
        return None

    async def _polish(self, lease: PolishLease, preview: Preview) -> tuple[Fate, int, int]:
        """Return what becomes of a preview, and its bytes before and after. Raises `PreviewFailed`."""
        if lease.attempt > MOST_ATTEMPTS:
            return Fate.GIVEN_UP, 0, 0
        found = await self.previews.head(preview.preview_key)
        reason = await self._reason_against(lease, found)
        if found is None or found.source_etag is None or reason is not None:
            return reason or Fate.GONE, 0, 0
        size = found.made.size
        job = PolishJob(preview, found.made.etag, found.source_etag, int(size * (1 - LEAST_SAVED)))
        try:
            async with asyncio.timeout(self.within_s):
                result = await self.polisher.polish(job)
        except TimeoutError as error:
            raise StorageFailed(f"{preview.preview_key}: was not polished in time") from error
        if result.outcome is Polished.TOO_LITTLE:
            await self.queue.keep_as_is(lease.waiting, found.made.etag)
        after = result.size if result.outcome is Polished.DONE else size
        return Fate(result.outcome.value), size, after

    async def _reason_against(self, lease: PolishLease, found: ObjectHead | None) -> Fate | None:
        """Return why what is stored is not to be polished, or None."""
        if found is None:
            return Fate.GONE
        if found.fingerprint != lease.waiting.fingerprint or found.source_etag is None:
            return Fate.OTHER_PRESET
        if found.polished or await self.queue.is_kept_as_is(lease.waiting, found.made.etag):
            return Fate.ALREADY
        return None


class Running:
    """Polishes in a task of its own, until it is closed."""

    def __init__(self, polishing: Polishing) -> None:
        self._polishing = polishing
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="polishing")

    async def _run(self) -> None:
        pause_s = 0.0
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s or 0.001):
                    await self._stopping.wait()
                return
            try:
                pause_s = await self._polishing.step()
            except Exception:  # noqa: BLE001 -- whatever it is, others can be polished; the lease counts as an attempt
                _log.exception("polish.crashed")
                pause_s = _AWAY_S

    async def close(self, grace_s: float) -> None:
        """Let the preview that is being polished end, within so many seconds; what is left another process leases."""
        self._stopping.set()
        await asyncio.wait([self._task], timeout=grace_s)
        await end(self._task)
