"""S3's errors, as obstore raises them, in this project's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError

from lambda_resize.errors import Changed, Forbidden, Missing, StorageFailed, Throttled, Unauthenticated

# In obstore's text of S3's answer.
DENIED = "<Code>AccessDenied</Code>"
_THROTTLING = re.compile(r"SlowDown|status code: (429|503)|\b(429 Too Many Requests|503 Service Unavailable)\b")
# What S3 and the SDK call credentials that are wrong, over, or missing, and a clock that is off.
CREDENTIALS = re.compile(
    "InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|TokenRefreshRequired|RequestTimeTooSkewed"
    "|NoCredentials|Unable to locate credentials|CredentialRetrieval"
)
_CODE = re.compile(r"<Code>(\w+)</Code>")


@contextmanager
def translated(name: str, *, writing: bool = False) -> Iterator[None]:
    """Translate obstore's exceptions, with the first line of their text; the cause is kept."""
    try:
        yield
    except FileNotFoundError as error:
        # A missing bucket is a wrong setting, and must not be reported as a missing photo.
        if writing or "NoSuchBucket" in str(error):
            raise StorageFailed(f"{name}: the bucket does not exist") from error
        raise Missing(f"{name}: the object does not exist") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        refused = Unauthenticated if CREDENTIALS.search(str(error)) else Forbidden
        raise refused(f"{name}: {_reason(error)}") from error
    except PreconditionError as error:
        raise Changed(f"{name}: {_reason(error)}") from error
    except (BaseError, ValueError, OSError) as error:
        if CREDENTIALS.search(str(error)):
            raise Unauthenticated(f"{name}: {_reason(error)}") from error
        if _THROTTLING.search(str(error)):
            raise Throttled(f"{name}: {_reason(error)}") from error
        raise StorageFailed(f"{name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the first line of an error, and S3's code, which stands further below."""
    text = str(error)
    code = _CODE.search(text)
    first = text.split("\n", 1)[0].split(": <?xml", 1)[0][:300]
    return f"{first}: {code[1]}" if code else first
