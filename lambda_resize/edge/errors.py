"""The errors of the edge function, by the status that the viewer gets.

EdgeError
├── BadQuery       400   `s`, `w` or `h` is invalid
├── Refused        403   the function may not fetch from this address
├── SourceMissing  404   the image's host answers that it does not exist
├── TooMuch        413   the image, or its preview at every quality, exceeds a limit
├── NotAnImage     422   the image cannot be decoded
├── SourceFailed   502   the image's host cannot be reached, or answers with an error
├── SourceSlow     504   the image's host is too slow
└── TooSlow        504   rendering the image takes too long
"""

from __future__ import annotations

from typing import ClassVar


class EdgeError(Exception):
    """No image is returned; the message is for the log, status and title for the viewer.

    `max_age_s`: how long CloudFront keeps the answer, which a retry does not change; 0: no cache keeps it.
    """

    status: ClassVar[int]
    title: ClassVar[str]
    max_age_s: ClassVar[int] = 0


class BadQuery(EdgeError):
    """The query is invalid."""

    status = 400
    max_age_s = 3600
    title = "Invalid query"


class Refused(EdgeError):
    """The image's address is not allowed."""

    status = 403
    max_age_s = 3600
    title = "Address not allowed"


class SourceMissing(EdgeError):
    """The image does not exist."""

    status = 404
    max_age_s = 60
    title = "Image not found"


class TooMuch(EdgeError):
    """The image or its preview exceeds a limit in bytes or pixels."""

    status = 413
    max_age_s = 300
    title = "Image too large"


class NotAnImage(EdgeError):
    """The fetched file cannot be decoded."""

    status = 422
    max_age_s = 300
    title = "Unprocessable image"


class SourceFailed(EdgeError):
    """The image's host failed."""

    status = 502
    title = "Image fetch failed"


class SourceSlow(EdgeError):
    """The image's host took too long."""

    status = 504
    title = "Image fetch timed out"


class TooSlow(EdgeError):
    """Rendering took longer than the time limit, by the image's fault or the machine's."""

    status = 504
    title = "Image rendering timed out"
    max_age_s = 60  # each request for it would work as long
