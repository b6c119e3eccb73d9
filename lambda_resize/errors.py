"""What can go wrong in an invocation; `kind` is the name that the answer gives it.

    ResizeError
    ├── InvalidRequest   invalid       a field of the event is missing or out of bounds
    ├── Missing          missing       S3 has no such object (404)
    ├── Forbidden        forbidden     S3 refused (403); without s3:ListBucket that is also how it says "missing"
    ├── StorageFailed    storage       S3 does not answer, or answers something else
    ├── Unsupported      unsupported   not an image, or one of a format that is not accepted
    ├── Corrupt          corrupt       an image that cannot be decoded to its end
    ├── TooLarge         too_large     more bytes or pixels than the limits allow
    └── TimedOut         timeout       above the time that one photo may take

The handler answers `internal` for any other exception.
"""

from __future__ import annotations

from typing import ClassVar


class ResizeError(Exception):
    """No preview can be rendered; the text is for the log, `kind` for the caller."""

    kind: ClassVar[str]


class InvalidRequest(ResizeError):
    """The text begins with the field's name."""

    kind = "invalid"


class Missing(ResizeError):
    """The photo does not exist."""

    kind = "missing"


class Forbidden(ResizeError):
    """S3 refused the function's credentials for this object."""

    kind = "forbidden"


class StorageFailed(ResizeError):
    """S3 could not be reached, gave up, or has no such bucket."""

    kind = "storage"


class Unsupported(ResizeError):
    """The photo has no format that the function accepts."""

    kind = "unsupported"


class Corrupt(ResizeError):
    """The photo begins as an image and is damaged after that."""

    kind = "corrupt"


class TooLarge(ResizeError):
    """The photo, or the preview asked for, is above a limit."""

    kind = "too_large"


class TimedOut(ResizeError):
    """Decoding, scaling and encoding together took longer than the limit."""

    kind = "timeout"
