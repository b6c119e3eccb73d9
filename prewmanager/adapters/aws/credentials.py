"""AWS's credentials for obstore, wherever the SDK finds them: environment, profile, SSO, container, web identity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiobotocore.session import AioSession
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import NoCredentialsError

if TYPE_CHECKING:
    from obstore.store import S3Credential

# obstore asks again five minutes before: once a minute. The SDK renews what expires, and a file may be written anew.
_LIFE = timedelta(minutes=6)


class SdkCredentials:
    """A provider of credentials for obstore."""

    def __init__(self) -> None:
        self._found: Any = None  # AioCredentials, of which only aiobotocore's own subclasses have types

    async def __call__(self) -> S3Credential:
        """Return the credentials of now. Raises `NoCredentialsError`, and botocore's other errors."""
        if not isinstance(self._found, RefreshableCredentials):
            self._found = await AioSession().get_credentials()
        found: Any = self._found
        if found is None:
            raise NoCredentialsError
        frozen = await found.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": None if found.method == "env" else datetime.now(UTC) + _LIFE,
        }
