"""The errors of an invocation; `kind` names them in the answer.

    ResizeError
    ├── InvalidRequest   invalid       a field of the event is missing or out of bounds
    ├── Missing          missing       the object does not exist in S3 (404)
    │   └── Hidden           missing       S3 refused (403) to say whether it exists; the answer has `denied`
    ├── Forbidden        forbidden     S3 refused (403) an object that exists
    │   └── Unauthenticated  credentials   S3 refused the credentials, or there are none
    ├── StorageFailed    storage       S3 does not answer, or answers with another error
    │   └── Changed          storage       the photo was overwritten while it was read
    ├── Throttled        throttled     S3 asks for fewer requests (SlowDown)
    ├── Unsupported      unsupported   not an image, or its format is not accepted
    ├── Corrupt          corrupt       an image that cannot be decoded to its end
    ├── TooLarge         too_large     more bytes or pixels than the limits allow
    ├── TimedOut         timeout       the photo takes longer than the time limit
    ├── Crashed          crashed       the photo ended the decoder's process
    └── DecoderFailed    internal      the decoder cannot be reached, or answers nonsense

The handler answers `internal` for any other exception.
"""

from __future__ import annotations

from typing import ClassVar


class ResizeError(Exception):
    """No preview can be rendered; the message is for the log, `kind` for the caller."""

    kind: ClassVar[str]

    def answer(self) -> dict[str, object]:
        """Return the failure's fields of an answer."""
        denied = {"denied": True} if isinstance(self, Hidden) else {}
        return {"status": False, "error": str(self), "kind": self.kind, **denied}


class InvalidRequest(ResizeError):
    """A field of the event is missing or invalid; the message begins with its name."""

    kind = "invalid"


class Missing(ResizeError):
    """The photo does not exist."""

    kind = "missing"


class Hidden(Missing):
    """The photo does not exist, or these credentials may not read it: without s3:ListBucket, S3 answers alike."""


class Forbidden(ResizeError):
    """S3 refused the function's credentials for this object."""

    kind = "forbidden"


class StorageFailed(ResizeError):
    """S3 could not be reached or failed, or the bucket does not exist."""

    kind = "storage"


class Changed(StorageFailed):
    """The photo was overwritten while it was read; it may be read again."""


class Unauthenticated(Forbidden):
    """S3 refuses the credentials themselves, or there are none: wrong, expired, or signed by a clock that is off."""

    kind = "credentials"


class Throttled(ResizeError):
    """S3 answers with SlowDown or 429, also when it was asked again: nothing was rendered, and later it may be."""

    kind = "throttled"


class Unsupported(ResizeError):
    """The photo's format is not accepted."""

    kind = "unsupported"


class Corrupt(ResizeError):
    """The photo begins like an image, but is damaged."""

    kind = "corrupt"


class TooLarge(ResizeError):
    """The photo or the requested preview exceeds a limit."""

    kind = "too_large"


class TimedOut(ResizeError):
    """Decoding, scaling and encoding together took longer than the limit."""

    kind = "timeout"


class Crashed(ResizeError):
    """The decoder's process ended while it had the photo."""

    kind = "crashed"


class DecoderFailed(ResizeError):
    """The decoder does not serve, or its answer is not one of the protocol, as that of one that is taken over."""

    kind = "internal"
