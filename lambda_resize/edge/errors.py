"""Why the edge function returns no image, by the status that the viewer gets.

EdgeError
├── BadQuery       400   `s`, `w` or `h` cannot be understood
├── Refused        403   the function may not fetch this address
├── SourceMissing  404   its host answers that there is no such image
├── TooMuch        413   the image, or its preview at every quality, is above a limit
├── NotAnImage     422   it cannot be decoded
├── SourceFailed   502   its host cannot be reached, or answers an error
└── SourceSlow     504   its host is too slow
"""

from __future__ import annotations

from typing import ClassVar


class EdgeError(Exception):
    """No image is returned; the text is for the log, status and title for the viewer."""

    status: ClassVar[int]
    title: ClassVar[str]


class BadQuery(EdgeError):
    """The query cannot be understood."""

    status = 400
    title = "The query asks for no image that can be made"


class Refused(EdgeError):
    """The image's address is not allowed."""

    status = 403
    title = "Images from there are not allowed"


class SourceMissing(EdgeError):
    """The image does not exist."""

    status = 404
    title = "There is no such image"


class TooMuch(EdgeError):
    """Above a limit in bytes or pixels."""

    status = 413
    title = "The image is too large"


class NotAnImage(EdgeError):
    """What was fetched cannot be decoded."""

    status = 422
    title = "No preview can be made of this image"


class SourceFailed(EdgeError):
    """The image's host failed."""

    status = 502
    title = "The image could not be fetched"


class SourceSlow(EdgeError):
    """The image's host took too long."""

    status = 504
    title = "The image did not arrive in time"
