"""What flights need from the outside, by role. Adapters implement these; no third-party type crosses them."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from prewmanager.flights.result import Completed, FlightResult, Held
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Outcome

T = TypeVar("T")


class Lease(Protocol):
    """The exclusive, expiring permission to render one preview.

    No method raises: what the flight store cannot be told now, it learns when the lease expires.
    """

    @property
    def keeps_previews(self) -> bool:
        """Whether a result has its preview's bytes where they are needed, for whoever asks."""
        ...

    async def renew(self) -> bool:
        """Extend the lease, also an expired one that nobody else acquired; False where another process has it."""
        ...

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        """Replace the lease by the outcome in one step; False where that failed, or another process has the lease."""
        ...

    async def release(self) -> None:
        """Delete the lease without an outcome, so that another process can acquire it at once."""
        ...

    async def replace(self, outcome: Outcome | None, ttl_s: float) -> None:
        """Replace the result that the lease was completed with; None evicts it. What has replaced it since stays."""
        ...


class FlightStore(Protocol):
    """Keeps the lease of each flight, and its outcome for a while."""

    async def acquire(self, key: str, *, waits: bool = True) -> Lease | Completed | Held:
        """Acquire the lease, or return what the store has under this key. Never blocks.

        Where the lease is held, the store notes that this process waits for the result, unless `waits` is false.
        Raises `FlightStoreUnavailable`.
        """
        ...

    def watching(self, key: str) -> AbstractContextManager[None]:
        """Take part in a flight inside the block: the changes that `wait_for_change` waits for are recorded there."""
        ...

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Return when a watched flight may have changed, after `timeout_s` at the latest. It may return early."""
        ...

    async def evict(self, key: str, completed: Completed | None) -> bool:
        """Delete an outcome that is no longer true, unless a later version has replaced it.

        Return whether there was one, or a lease. `completed` None stands for whatever outcome there is; a lease stays,
        and its preview is not kept where it is not written yet. Only that raises `FlightStoreUnavailable`, where the
        store cannot be asked.
        """
        ...


class ObjectFinder(Protocol):
    """The bucket of previews, for finding out whether one was written."""

    async def exists(self, key: str) -> bool | None:
        """Whether there is this object; None where S3 does not say. Never raises."""
        ...


class FlightObserver(Protocol):
    """Is notified of what flights do, for metrics and the log."""

    def completed(self, preview: Preview, result: FlightResult, *, waiters: int, seconds: float) -> None:
        """A flight of this process has completed, while this many of its requests waited."""
        ...

    def waiting(self, change: int) -> None:
        """So many requests more, or fewer, wait for a flight."""
        ...

    def took_over(self, preview: Preview) -> None:
        """This process renders what another one had started and not completed."""
        ...

    def write_lost(self, preview: Preview) -> None:
        """A preview was answered before it was written, and is not in the bucket."""
        ...

    def crashed(self, preview: Preview) -> None:
        """A flight meets a defect, the exception that is being handled."""
        ...

    def refused(self) -> None:
        """A request gets no flight: as many are in flight as this process may have."""
        ...


class FlightSpan(AbstractContextManager[object], Protocol):
    """The trace of one flight; current inside its `with` block."""

    def joined(self) -> None:
        """Another request waits for the flight than the one that started it."""
        ...

    def completed(self, result: FlightResult) -> None:
        """Record the result."""
        ...


class FlightTracer(Protocol):
    """Traces flights."""

    def start(self, preview: Preview) -> FlightSpan:
        """Start the span of a flight, as a child of the current request's."""
        ...


class Batch(Protocol):
    """The companions that are rendered with one preview; entered with `async with`, which releases what is left."""

    @property
    def previews(self) -> tuple[Preview, ...]:
        """The companions whose leases this flight has acquired."""
        ...

    async def acquire_during(self, check: Coroutine[Any, Any, T]) -> T:
        """Acquire the companions' leases while the preview's existence check runs, and return what that returns."""
        ...

    async def complete(self, requested: Preview, outcome: Outcome, rendered: Mapping[str, Outcome]) -> None:
        """Complete the companions' leases, given the requested preview's outcome and the companions' own by preset."""
        ...
