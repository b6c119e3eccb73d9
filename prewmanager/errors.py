"""What can go wrong, one named error per situation; statuses belong to `web`, not here.

PrewError
├── InvalidSettings        the environment asks for something that cannot work; the start stops
├── UnknownPreset          the request names a preset that is not configured
├── InvalidKey             the request's path is no acceptable key
├── MethodNotAllowed       the request is neither GET nor HEAD
├── FlightStoreUnavailable       the flight board cannot be reached or read; the process goes on alone
├── CacheUnavailable       nginx's cache or CloudFront could not be purged
└── PreviewFailed          the outcome of a flight: it has a kind, and everybody who waits gets it
    ├── PhotoMissing        missing
    ├── PhotoRejected       (not an image that a preview can be made of)
    │   ├── PhotoUnsupported    unsupported
    │   ├── PhotoCorrupt        corrupt
    │   ├── PhotoTooLarge       too_large
    │   └── PhotoFatal          crashed
    └── Transient              (worth another try soon)
        ├── Overloaded             throttled
        ├── DeadlineExceeded              timeout
        ├── ResizerFailed          failed
        └── StorageFailed          storage
"""

from __future__ import annotations

from typing import ClassVar


class PrewError(Exception):
    """Any error of this service's own."""


class InvalidSettings(PrewError):
    """One or more settings cannot work; `lines` has one line for each, naming the variable and the cure."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class UnknownPreset(PrewError):
    """The request names a preset that is not configured."""


class InvalidKey(PrewError):
    """The request's path is no acceptable key; the message is safe to show."""


class MethodNotAllowed(PrewError):
    """The request is neither GET nor HEAD."""


class FlightStoreUnavailable(PrewError):
    """The flight board cannot be reached, or holds something that this version cannot read."""


class CacheUnavailable(PrewError):
    """A cache in front of the previews could not be read or purged."""


class PreviewFailed(PrewError):
    """A flight ended without a preview.

    The message is for the log and may name buckets and hosts; what a client sees is decided by the class alone.
    `retry_after_s` is the number of seconds after which another try makes sense, where that is known.
    """

    kind: ClassVar[str]

    def __init__(self, detail: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s


class PhotoMissing(PreviewFailed):
    """There is no photo under this key."""

    kind = "missing"


class PhotoRejected(PreviewFailed):
    """The photo is there, and no preview can be made of it."""


class PhotoUnsupported(PhotoRejected):
    """The object is no image, or of a format that is not accepted."""

    kind = "unsupported"


class PhotoCorrupt(PhotoRejected):
    """The image is truncated or damaged."""

    kind = "corrupt"


class PhotoTooLarge(PhotoRejected):
    """The image has more bytes or pixels than the limits allow."""

    kind = "too_large"


class PhotoFatal(PhotoRejected):
    """The process that worked on the image was killed by it: it crashed, or had too little memory for it.

    Another attempt would cost another process, so this is remembered as long as what was found out in an orderly way.
    """

    kind = "crashed"


class Transient(PreviewFailed):
    """It may well work a moment later."""


class Overloaded(Transient):
    """Lambda throttles, or this process has as much to do as it may."""

    kind = "throttled"


class DeadlineExceeded(Transient):
    """The preview was not made within its deadline."""

    kind = "timeout"


class ResizerFailed(Transient):
    """The resizer raised, was told to end, or answered nonsense."""

    kind = "failed"


class StorageFailed(Transient):
    """S3 failed, or refused what it should allow."""

    kind = "storage"


def failure_classes() -> dict[str, type[PreviewFailed]]:
    """Every concrete failure by its kind: the words that travel through Redis and the Lambda's answers."""
    found: dict[str, type[PreviewFailed]] = {}
    waiting: list[type[PreviewFailed]] = [PreviewFailed]
    while waiting:
        cls = waiting.pop()
        waiting.extend(cls.__subclasses__())
        if "kind" in cls.__dict__:
            found[cls.kind] = cls
    return found
