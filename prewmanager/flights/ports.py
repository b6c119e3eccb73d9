"""What the coalescer needs from the outside, by role. Adapters implement these; nothing of theirs crosses them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from prewmanager.errors import PreviewFailed, Transient, failure_classes
from prewmanager.previews.catalogue import Preview


@dataclass(frozen=True, slots=True)
class Made:
    """A preview that is in the bucket.

    `body` is None where it is too large to be carried around: then it is streamed from the bucket. `size` is in
    bytes. `etag` has its quotes. `cache_control` is as stored, or None where nothing was. `thumbhash` is the photo's
    ThumbHash in base64, where there is one.
    """

    content_type: str
    size: int
    etag: str
    cache_control: str | None
    body: bytes | None
    thumbhash: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A flight's failure as a value, so that each waiter can raise an exception of its own."""

    kind: str
    detail: str
    retry_after_s: float | None = None

    @classmethod
    def of(cls, error: PreviewFailed) -> Failure:
        """The value of an exception."""
        return cls(error.kind, error.detail, error.retry_after_s)

    @property
    def is_transient(self) -> bool:
        """Whether it says nothing of the photo, so that another try may succeed."""
        return issubclass(failure_classes()[self.kind], Transient)

    def error(self) -> PreviewFailed:
        """A fresh exception for one waiter."""
        return failure_classes()[self.kind](self.detail, self.retry_after_s)


Outcome = Made | Failure


class Source(StrEnum):
    """How an answer came about, as `X-Preview` says it."""

    MADE = "made"
    JOINED = "joined"
    FOUND = "found"
    FALLBACK = "nearest"
    COMPANION = "sibling"


class Timed:
    """Adds the time inside its block, in milliseconds, to one of these."""

    __slots__ = ("_name", "_started", "_timings_ms")

    def __init__(self, timings_ms: dict[str, float], name: str) -> None:
        self._timings_ms = timings_ms
        self._name = name

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent_ms = (time.perf_counter() - self._started) * 1000
        self._timings_ms[self._name] = self._timings_ms.get(self._name, 0.0) + spent_ms


@dataclass(slots=True)
class FlightResult:
    """What came of a flight, how, and what took how long (milliseconds by name: `lock`, `s3`, `lambda`).

    `waiters` is how many requests of this process waited for it when it landed.
    """

    outcome: Outcome
    source: Source = Source.JOINED
    waiters: int = 0
    timings_ms: dict[str, float] = field(default_factory=dict)

    def timed(self, name: str) -> Timed:
        """Adds the time inside its block to the one of this name."""
        return Timed(self.timings_ms, name)


@dataclass(frozen=True, slots=True)
class InFlight:
    """A flight of this process that has not ended: whose preview, how many requests wait for it, how long so far."""

    preview: Preview
    waiters: int
    seconds: float


class Lease(Protocol):
    """The right to make one preview; it ends by itself unless it is renewed.

    No method raises: what the board cannot be told now, the lease's end tells it later.
    """

    async def renew(self) -> bool:
        """Keep it for another lease, also where it ended and nobody took over; False when it is somebody else's."""
        ...

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        """Replace the lease by the result, in one step; False when somebody else's is, or the board is away."""
        ...

    async def release(self) -> None:
        """Give it back without a result, so that another one can take over at once."""
        ...


@dataclass(frozen=True, slots=True)
class Completed:
    """The flight has ended, with this outcome; `mark` is what the board tells it from the next one by."""

    outcome: Outcome
    version: bytes = field(default=b"", compare=False)


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody else makes it; `holder` tells one holder from the next."""

    holder: str


class FlightStore(Protocol):
    """Where it is written who makes which preview, and what came of it."""

    async def acquire(self, key: str) -> Lease | Completed | Held:
        """Take the flight where nobody has it, or say what is known of it. Never blocks.

        Raises `FlightStoreUnavailable`.
        """
        ...

    async def try_acquire(self, key: str) -> Lease | None:
        """Take the flight where nobody has it and nothing is known of it, by who will not wait for it otherwise.

        Raises `FlightStoreUnavailable`.
        """
        ...

    async def evict(self, key: str, settled: Completed) -> None:
        """Forget an outcome that is true no more; what has taken its place since stays. Never raises."""
        ...

    async def wait_for_change(self, key: str, timeout_s: float) -> None:
        """Return when the flight may have changed, at the latest after `timeout_s`. Returning early is allowed."""
        ...


@dataclass(slots=True)
class Siblings:
    """Further previews of the same photo to be made at once; `outcomes` is what became of each, by preset's name.

    What is not in it at the end was not made: functions may not know how.
    """

    previews: tuple[Preview, ...]
    outcomes: dict[str, Outcome] = field(default_factory=dict)


class Resizer(Protocol):
    """Makes previews."""

    async def resize(self, preview: Preview, also: Siblings | None = None) -> Made:
        """Read the photo, write its preview into the bucket, and return it; likewise `also`, which is told of them.

        Raises `PreviewFailed`, of the class that fits.
        """
        ...


class PreviewStore(Protocol):
    """The bucket of previews, for reading."""

    async def find(self, key: str) -> Made | None:
        """The preview under this key, or None. Raises `StorageFailed`."""
        ...

    async def stream(self, key: str) -> tuple[Made, AsyncIterator[bytes]]:
        """The preview under this key, piece by piece. Raises `StorageFailed`, also where there is none."""
        ...


class Quota(Protocol):
    """How often something may be done."""

    async def consume(self) -> float:
        """Take one of the quota: 0, or the number of seconds until there is one, and then nothing was taken."""
        ...


class Probe(Protocol):
    """Something that the service cannot do its work without."""

    async def ping(self) -> None:
        """Return when it answers; raise any exception, whose message is for the log, when it does not."""
        ...


@dataclass(frozen=True, slots=True)
class InvocationCost:
    """What one invocation of a function took, as its answer says: nothing, where it says nothing."""

    cold_start: bool = False
    gb_seconds: float = 0.0


class CostMeter(Protocol):
    """Is told what is paid for."""

    def invoked(self, preset: str, usage: InvocationCost) -> None:
        """The function ran once for a preview of this preset, whatever came of it."""
        ...


class FlightObserver(Protocol):
    """Is told what flights do, for metrics and the log."""

    def completed(self, preview: Preview, result: FlightResult, seconds: float) -> None:
        """A flight of this process has ended."""
        ...

    def waiting(self, change: int) -> None:
        """One request more, or less, waits for a flight."""
        ...

    def took_over(self, preview: Preview) -> None:
        """This process makes what another one had begun and not finished."""
        ...
