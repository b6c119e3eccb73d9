"""What rendering needs from the outside, by role."""

from __future__ import annotations

from typing import Protocol

from prewmanager.resizing.render import InvocationCost, RenderJob, RenderResult


class Resizer(Protocol):
    """Renders previews."""

    async def resize(self, job: RenderJob) -> RenderResult:
        """Read the photo, write the job's previews into the bucket, and return them.

        Raises the `PreviewFailed` that fits, for the job's own preview; a companion's failure is part of the result.
        """
        ...


class Quota(Protocol):
    """A bound on the rate of resizes."""

    async def consume(self) -> float:
        """Use one resize of the quota and return 0, or return the seconds until there is one, using nothing."""
        ...


class CostMeter(Protocol):
    """Counts what is paid for."""

    def invoked(self, preset: str, cost: InvocationCost) -> None:
        """Count one invocation for a preview of this preset, whatever its outcome."""
        ...
