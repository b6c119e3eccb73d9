"""What the web application needs from the outside, by role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from prewmanager.flights.result import Answer
from prewmanager.previews.catalogue import Preview


class PreviewProvider(Protocol):
    """Answers requests for previews."""

    async def preview(self, preview: Preview) -> Answer:
        """Return the preview. Raises the `PreviewFailed` that says why there is none."""
        ...


class Probe(Protocol):
    """A dependency of the service."""

    async def ping(self) -> None:
        """Return when it answers. Raises any exception, whose message is for the log, when it does not."""
        ...


class Relay(Protocol):
    """Passes reports between replicas. No method raises: the next report follows one that is lost."""

    async def send(self, sender: str, report: str) -> int:
        """Send a report to the replicas with viewers; return their number, 0 where it is not known.

        An empty report reaches nobody, and counts them.
        """
        ...

    def received(self) -> AsyncIterator[tuple[str, str]]:
        """Yield sender and report, of all replicas; this one counts as a receiver meanwhile."""
        ...
