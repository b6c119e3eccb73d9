"""The errors of the service, one class per situation; `web.problems` maps them to HTTP statuses.

PrewError
├── InvalidSettings          settings are invalid or conflict; startup aborts
├── UnknownPreset            the request names a preset that is not configured
├── InvalidKey               the request's path cannot be an object's key
├── MethodNotAllowed         the request is neither GET nor HEAD
├── HostUnknown              the request is for a name that is not one of this service
├── FlightStoreUnavailable   the flight store cannot be reached or read; the process continues alone
├── CacheUnavailable         nginx's cache or CloudFront could not be purged
└── PreviewFailed            the outcome of a flight: it has a kind, and every waiter gets it
    ├── PhotoMissing             missing
    │   └── PhotoHidden              hidden: clients see `missing`
    ├── PhotoRejected            (no preview can be rendered from the photo)
    │   ├── PhotoUnsupported         unsupported
    │   ├── PhotoCorrupt             corrupt
    │   ├── PhotoTooLarge            too_large
    │   ├── PhotoTooSlow             too_slow
    │   └── PhotoFatal               crashed
    └── Transient                (another try may succeed soon)
        ├── Overloaded               throttled
        │   └── QuotaExceeded            throttled: for this client
        ├── DeadlineExceeded         timeout
        │   └── PhotoTimedOut            timed_out: clients see `timeout`
        ├── ResizerFailed            failed
        │   └── ReplicaFailed        unable: clients see `failed`
        └── StorageFailed            storage
            └── PreviewGone              storage: deleted since it was made
            └── CredentialsRefused       storage: S3 refuses the resizer's credentials
"""

from __future__ import annotations

from typing import ClassVar


class PrewError(Exception):
    """An error of this service."""


class InvalidSettings(PrewError):
    """One or more settings are invalid; `lines` has one line for each, with the variable's name and the fix."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class UnknownPreset(PrewError):
    """The request names a preset that is not configured."""


class InvalidKey(PrewError):
    """The request's path cannot be an object's key; the message is safe to show."""


class MethodNotAllowed(PrewError):
    """The request is neither GET nor HEAD."""


class HostUnknown(PrewError):
    """The request is for a name that is not one of this service."""


class FlightStoreUnavailable(PrewError):
    """The flight store cannot be reached, or has a value that this version cannot read."""


class CacheUnavailable(PrewError):
    """A cache in front of the previews could not be read or purged."""


class PreviewFailed(PrewError):
    """A flight ended without a preview.

    The message is for the log and may name buckets and hosts; clients see only the class's status, title and kind.
    `retry_after_s` is the number of seconds after which another try may succeed, or None if unknown.
    """

    kind: ClassVar[str]

    def __init__(self, detail: str = "", retry_after_s: float | None = None, *, cached: bool = False) -> None:
        """`cached`: an earlier flight failed, and nothing was tried for this request."""
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.cached = cached


class PhotoMissing(PreviewFailed):
    """The photo does not exist."""

    kind = "missing"


class PhotoHidden(PhotoMissing):
    """The photo does not exist, or may not be read: S3 does not say which to credentials that may not list."""

    kind = "hidden"


class PhotoRejected(PreviewFailed):
    """No preview can be rendered from the photo."""


class PhotoUnsupported(PhotoRejected):
    """The object is not an image, or its format is not accepted."""

    kind = "unsupported"


class PhotoCorrupt(PhotoRejected):
    """The image is truncated or damaged."""

    kind = "corrupt"


class PhotoTooLarge(PhotoRejected):
    """The image has more bytes or pixels than the limits allow."""

    kind = "too_large"


class PhotoTooSlow(PhotoRejected):
    """Renderings of the photo have timed out several times; it is tried again after `retry_after_s`."""

    kind = "too_slow"


class PhotoFatal(PhotoRejected):
    """The image killed the process that rendered it: a crash, or too little memory.

    Another attempt would cost another process, so this failure is cached as long as the other faults of a photo.
    """

    kind = "crashed"


class Transient(PreviewFailed):
    """The failure says nothing about the photo; another try may succeed."""


class Overloaded(Transient):
    """Lambda throttles requests, or this process has reached a limit."""

    kind = "throttled"


class QuotaExceeded(Overloaded):
    """The quota of resizes, or this client's share of it, is used up. Another client's request may be allowed."""


class DeadlineExceeded(Transient):
    """The preview was not rendered before its deadline."""

    kind = "timeout"


class PhotoTimedOut(DeadlineExceeded):
    """Rendering the photo took longer than the resizer allows."""

    kind = "timed_out"


class ResizerFailed(Transient):
    """The resizer raised, was stopped, or returned a response that violates the contract."""

    kind = "failed"


class ReplicaFailed(ResizerFailed):
    """This process cannot render, by a fault of its own: credentials, clock, connection. Another one may be able to."""

    kind = "unable"


class StorageFailed(Transient):
    """S3 failed, or denied a request that it should allow."""

    kind = "storage"


class PreviewGone(StorageFailed):
    """A preview that was made is not in the bucket: its photo has changed since, or somebody has deleted it."""


class CredentialsRefused(StorageFailed):
    """S3 refuses the credentials that the resizer has, or it has none."""


def failure_classes() -> dict[str, type[PreviewFailed]]:
    """Return every concrete failure by its kind, which names it in Redis and in the function's responses."""
    found: dict[str, type[PreviewFailed]] = {}
    waiting: list[type[PreviewFailed]] = [PreviewFailed]
    while waiting:
        cls = waiting.pop()
        waiting.extend(cls.__subclasses__())
        if "kind" in cls.__dict__:
            found[cls.kind] = cls
    return found
