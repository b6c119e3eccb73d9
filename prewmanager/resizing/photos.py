"""What is known of a photo before it is rendered, and what its renderings reveal."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog

from prewmanager.errors import PhotoMissing, PhotoRejected, PhotoTimedOut
from prewmanager.previews.outcome import Failure
from prewmanager.resizing.ports import PhotoFaults, PhotoReader, Resizer
from prewmanager.resizing.render import RenderJob, RenderResult

# From this share of missing photos on, S3 is asked for each photo before the resizer is.
_MANY_MISSING = 0.2
_WEIGHT = 0.05  # of the newest photo in the moving average: some five in a row are many
# A job that has queued for longer checks again: another preset may have found the photo too slow meanwhile.
_KNOWN_S = 0.5
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """What any preview of a photo would fail with; `known`: an earlier flight has found it."""

    failure: Failure
    known: bool


class Photos:
    """Finds the fault that any preview of a photo would have, at the cost of no rendering."""

    def __init__(self, faults: PhotoFaults, reader: PhotoReader) -> None:
        self._faults = faults
        self._reader = reader
        self._missing_share = 0.0

    async def fault(self, photo_key: str) -> Fault | None:
        """Return the fault of a photo that is known; while many are missing, S3 is asked as well. Never raises."""
        known, exists = await asyncio.gather(self._faults.known(photo_key), self._exists(photo_key))
        if known is not None:
            return Fault(known, known=True)
        if exists is not False:
            return None
        self._count(missing=True)
        # Not recorded: few made-up names are requested twice, and S3 is asked again as cheaply.
        return Fault(Failure.of(PhotoMissing("S3 has no such photo")), known=False)

    async def changed(self, photo_key: str) -> None:
        """Take the photo for another one from now on. Raises `FlightStoreUnavailable`."""
        await self._faults.changed(photo_key)

    async def is_current(self, photo_key: str) -> bool:
        """Whether the photo is what a rendering that runs now has met. Never raises."""
        return await self._faults.record(photo_key, "")

    async def recheck(self, job: RenderJob) -> None:
        """Raise the photo's known fault, where the job has waited so long that there may be a new one."""
        if time.monotonic() - job.created > _KNOWN_S:
            known = await self._faults.known(job.preview.photo_key)
            if known is not None:
                raise known.error()

    async def has_failed(
        self, job: RenderJob, error: PhotoMissing | PhotoRejected | PhotoTimedOut, began: float
    ) -> bool:
        """Record a fault; return False where the photo has changed meanwhile, and the fault may be the earlier one's.

        `began` is the rendering's start, on the clock of `time.monotonic`. Never raises.
        """
        self._count(missing=isinstance(error, PhotoMissing))
        seconds = time.monotonic() - began
        return await self._faults.record(job.preview.photo_key, error.kind, seconds)

    def was_rendered(self) -> None:
        """Count a photo that is there."""
        self._count(missing=False)

    async def _exists(self, photo_key: str) -> bool | None:
        return await self._reader.exists(photo_key) if self._missing_share >= _MANY_MISSING else None

    def _count(self, *, missing: bool) -> None:
        self._missing_share += _WEIGHT * (missing - self._missing_share)


class PhotoFaultsResizer:
    """Records the faults that renderings reveal, and renders again a photo that has changed during a rendering."""

    def __init__(self, inner: Resizer, photos: Photos, *, slow_s: float) -> None:
        """`slow_s`: a rendering that has lasted so long when its flight's deadline ends it counts as a time-out."""
        self._inner = inner
        self._photos = photos
        self._slow_s = slow_s

    async def resize(self, job: RenderJob) -> RenderResult:
        """Resize. Raises what the resizer raises, or the photo's known fault."""
        await self._photos.recheck(job)
        began = time.monotonic()
        try:
            rendered = await self._inner.resize(job)
        except asyncio.CancelledError:
            if time.monotonic() - began >= self._slow_s:
                await self._photos.has_failed(job, PhotoTimedOut(), began)
            raise
        except (PhotoMissing, PhotoRejected, PhotoTimedOut) as error:
            if await self._photos.has_failed(job, error, began):
                raise
            _log.info("photo.changed", key=job.preview.photo_key, detail="it is rendered again")
            return await self._inner.resize(job)
        self._photos.was_rendered()
        return rendered
