"""What a flight ends with, as values: a preview that is stored, or a failure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from prewmanager.errors import PreviewFailed, Transient, failure_classes


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Made:
    """A preview that is stored in the bucket, or about to be.

    `stored` is False where it may not be written yet, or the bucket may not show it yet: until then `body` serves those
    who come, and `etag` may be empty.
    `body` is None if it is too large to keep in memory; the preview is then streamed from the bucket. `size` is in
    bytes. `etag` includes its quotes. `cache_control` is the stored header, or None. `thumbhash` is the photo's
    ThumbHash in base64, or None.
    """

    content_type: str
    size: int
    etag: str
    cache_control: str | None
    body: bytes | None
    thumbhash: str | None = None
    stored: bool = True


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as a value, so that each waiter can raise an exception of its own."""

    kind: str
    detail: str
    retry_after_s: float | None = None

    @classmethod
    def of(cls, error: PreviewFailed) -> Failure:
        """Convert an exception."""
        return cls(error.kind, error.detail, error.retry_after_s)

    @property
    def is_transient(self) -> bool:
        """Whether another try may succeed, since the failure says nothing about the photo."""
        return issubclass(failure_classes()[self.kind], Transient)

    def error(self, *, cached: bool = False) -> PreviewFailed:
        """Create a new exception, for one waiter."""
        return failure_classes()[self.kind](self.detail, self.retry_after_s, cached=cached)


Outcome = Made | Failure


class Source(StrEnum):
    """Where an answer comes from, in the words of `X-Preview` and the metrics.

    A failure is `MADE` by the flight that failed, `JOINED` where another replica's flight did meanwhile, and `CACHED`
    where it was known before.
    """

    MADE = "made"
    JOINED = "joined"
    FOUND = "found"
    FALLBACK = "nearest"
    COMPANION = "companion"
    CACHED = "cached"
