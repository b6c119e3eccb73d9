"""What can go wrong while a preview is made, by the name (`kind`) under which the caller is told.

    ResizeError
    ├── InvalidRequest   invalid       the event does not say what to do
    ├── Missing          missing       S3 has no such object (404)
    ├── Forbidden        forbidden     S3 refused (403); without s3:ListBucket that is also how it says "missing"
    ├── StorageFailed    storage       S3 is gone, slow, or answered something else
    ├── Unsupported      unsupported   not an image, or one of a format that is not accepted
    ├── Corrupt          corrupt       an image that cannot be decoded to its end
    ├── TooLarge         too_large     more bytes or pixels than the limits allow
    └── TimedOut         timeout       not done in the time that one photo may take

Whatever is none of these is answered as `internal` by the handler.
"""

from __future__ import annotations

from typing import ClassVar


class ResizeError(Exception):
    """A preview could not be made; the text is for the log, `kind` for the caller."""

    kind: ClassVar[str]


class InvalidRequest(ResizeError):
    """The event lacks a field, or has one that is out of bounds."""

    kind = "invalid"


class Missing(ResizeError):
    """The original does not exist."""

    kind = "missing"


class Forbidden(ResizeError):
    """S3 refused the function's credentials for this object."""

    kind = "forbidden"


class StorageFailed(ResizeError):
    """S3 could not be reached, gave up, or has no such bucket."""

    kind = "storage"


class Unsupported(ResizeError):
    """The original is of no format that the function accepts."""

    kind = "unsupported"


class Corrupt(ResizeError):
    """The original begins as an image and does not go on as one."""

    kind = "corrupt"


class TooLarge(ResizeError):
    """The original, or what would be made of it, is beyond the limits."""

    kind = "too_large"


class TimedOut(ResizeError):
    """Decoding, scaling and encoding together took longer than the limit."""

    kind = "timeout"
