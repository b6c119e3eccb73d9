"""What rendering needs from the outside, by role."""

from __future__ import annotations

from typing import Protocol

from prewmanager.previews.outcome import Failure
from prewmanager.resizing.render import InvocationCost, RenderJob, RenderResult


class Resizer(Protocol):
    """Renders previews."""

    async def resize(self, job: RenderJob) -> RenderResult:
        """Read the photo, write the job's previews into the bucket, and return them.

        Raises the `PreviewFailed` that fits, for the job's own preview; a companion's failure is part of the result.
        """
        ...


class PhotoFaults(Protocol):
    """What is known of photos, whatever the preset: that one is missing, or takes too long."""

    async def known(self, photo_key: str) -> Failure | None:
        """Return the failure that any rendering of this photo would end with."""
        ...

    async def record(self, photo_key: str, kind: str, seconds: float = 0.0) -> bool:
        """Record the kind of failure of a rendering that took so long; False where the photo has changed meanwhile.

        Kinds that are not those of the photo in every preset are not recorded.
        """
        ...

    async def changed(self, photo_key: str) -> None:
        """Take the photo for another one; failures of renderings that run now are not recorded.

        Raises `FlightStoreUnavailable`.
        """
        ...


class PhotoReader(Protocol):
    """The bucket of photos, for existence checks."""

    async def exists(self, key: str) -> bool | None:
        """Whether there is this photo; None where S3 does not say. Never raises."""
        ...


class Quota(Protocol):
    """A bound on the rate of resizes, of which each client has a share."""

    async def consume(self, client: str) -> float:
        """Use one resize of the quota and return 0, or return the seconds until there is one, using nothing.

        `client` is empty if it is unknown: then the whole quota is there for it.
        """
        ...

    async def is_whole(self) -> bool:
        """Whether nothing of the quota is in use; it costs nothing."""
        ...


class CostMeter(Protocol):
    """Counts what is paid for."""

    def invoked(self, preset: str, cost: InvocationCost) -> None:
        """Count one invocation for a preview of this preset, whatever its outcome."""
        ...
