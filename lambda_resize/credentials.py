"""AWS's credentials for obstore where it does not find them by itself: profiles, SSO, web identity, through the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obstore.store import S3Credential

# Each group holds all that obstore needs; Lambda sets the first.
_OWN = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
    # With a token of its own, as SnapStart has it, obstore does not ask there.
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
)
# obstore asks again five minutes before: once a minute. The SDK renews what expires, and a file may be written anew.
_LIFE = timedelta(minutes=6)


class SdkCredentials:
    """A provider of credentials for obstore."""

    def __init__(self) -> None:
        self._found: Any = None

    def __call__(self) -> S3Credential:
        """Return the credentials of now. Raises botocore's errors."""
        # Importing the SDK takes 300 ms.
        from botocore.credentials import RefreshableCredentials  # noqa: PLC0415 -- see above
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415 -- see above
        from botocore.session import Session  # noqa: PLC0415 -- see above

        if not isinstance(self._found, RefreshableCredentials):
            self._found = Session().get_credentials()
        if self._found is None:
            raise NoCredentialsError
        frozen = self._found.get_frozen_credentials()
        return {
            "access_key_id": str(frozen.access_key),
            "secret_access_key": str(frozen.secret_key),
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _LIFE,
        }


def provider(environ: Mapping[str, str]) -> SdkCredentials | None:
    """Return the SDK's credentials, or None where the environment has those that obstore reads itself."""
    return None if any(all(environ.get(name) for name in group) for group in _OWN) else SdkCredentials()
