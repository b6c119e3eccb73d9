"""The errors of the edge function: what the viewer gets, for how long, and the reason that `X-Resize-Error` names.

EdgeError
├── BadQuery       bad-query        400 for 60 s    `s`, `w` or `h` is invalid
├── Refused        not-allowed      403 for 60 s    the function may not fetch from this address
├── SourceMissing  source-missing   as the origin   the image's host answers 401, 403, 404 or 410
├── SourceFailed   source-failed    as the origin   the image's host cannot be reached, or answers with another error
├── NotAnImage     not-an-image     by a setting    the image cannot be decoded
├── TooMuch        too-large        413 for 60 s    the image, or its preview at every quality, exceeds a limit
├── SourceSlow     source-slow      504 for 10 s    the image's host is too slow
├── TooSlow        too-slow         504 for 60 s    rendering the image takes too long
└── Broken         internal         as the origin   an error of this function

"As the origin": the origin's own answer passes, as in a resizer that only ever adds images: for a minute where the
image is at fault, for ten seconds where its host is.
"""

from __future__ import annotations

from typing import ClassVar

_BRIEFLY_S = 10
_A_MINUTE_S = 60


class EdgeError(Exception):
    """No image is returned; the message is for the log.

    Attributes:
        reason: The value of `X-Resize-Error`.
        status: The viewer's status; None: the origin's answer passes.
        title: The problem's title, if there is a status.
        max_age_s: Seconds for which CloudFront and browsers keep the answer, so that not every viewer costs a fetch.
        explains: Whether the message is for the viewer as well: it repeats only what the viewer sent, and settings.
    """

    reason: ClassVar[str]
    status: ClassVar[int | None] = None
    title: ClassVar[str] = ""
    max_age_s: ClassVar[int] = _A_MINUTE_S
    explains: ClassVar[bool] = False


class BadQuery(EdgeError):
    """The query is invalid."""

    reason = "bad-query"
    status = 400
    title = "Invalid query"
    explains = True


class Refused(EdgeError):
    """The image's address is not allowed."""

    reason = "not-allowed"
    status = 403
    title = "Address not allowed"


class SourceMissing(EdgeError):
    """The image does not exist; S3 answers 403 for that to those who may not list."""

    reason = "source-missing"


class SourceFailed(EdgeError):
    """The image's host failed."""

    reason = "source-failed"
    max_age_s = _BRIEFLY_S


class NotAnImage(EdgeError):
    """The fetched file cannot be decoded; a setting says what the viewer gets."""

    reason = "not-an-image"
    title = "Unprocessable image"


class TooMuch(EdgeError):
    """The image or its preview exceeds a limit in bytes or pixels."""

    reason = "too-large"
    status = 413
    title = "Image too large"


class SourceSlow(EdgeError):
    """The image's host took too long."""

    reason = "source-slow"
    status = 504
    title = "Image fetch timed out"
    max_age_s = _BRIEFLY_S


class TooSlow(EdgeError):
    """Rendering took longer than the time limit, by the image's fault or the machine's."""

    reason = "too-slow"
    status = 504
    title = "Image rendering timed out"


class Broken(EdgeError):
    """The function has a fault; the log has the traceback."""

    reason = "internal"
    max_age_s = _BRIEFLY_S
