"""Sends one S3 request of each kind and returns the unprocessed answer, to find a missing permission or setting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


@dataclass(frozen=True, slots=True)
class S3Answer:
    """S3's answer: `code` is its error code, empty for success; `skew_s` is how far its clock is ahead of ours."""

    code: str = ""
    message: str = ""
    skew_s: float | None = None
    content: dict[str, Any] = field(default_factory=dict)


class S3Permissions:
    """Tries one request of each kind on one bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        """`client` is an `s3_inventory.s3_client`."""
        self._client = client
        self._bucket = bucket

    async def list(self, prefix: str) -> S3Answer:
        """Send ListObjectsV2 for one page, of at most a thousand objects."""
        return await self._answer("list_objects_v2", Prefix=prefix)

    async def read(self, key: str) -> S3Answer:
        """Send GetObject, without reading the body."""
        answer = await self._answer("get_object", Key=key)
        if "Body" in answer.content:
            answer.content["Body"].close()
        return answer

    async def delete(self, key: str) -> S3Answer:
        """Send DeleteObject, which succeeds for a missing object."""
        return await self._answer("delete_object", Key=key)

    async def _answer(self, operation: str, **parameters: str) -> S3Answer:
        try:
            content = await getattr(self._client, operation)(Bucket=self._bucket, **parameters)
        except ClientError as error:
            details = error.response.get("Error", {})
            code, message = str(details.get("Code") or "Unknown"), str(details.get("Message") or error)
            return S3Answer(code, message, _skew_s(dict(error.response)))
        except (BotoCoreError, OSError) as error:
            return S3Answer(type(error).__name__, str(error))
        return S3Answer(skew_s=_skew_s(content), content=content)


def _skew_s(response: dict[str, Any]) -> float | None:
    try:
        date = parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError):
        return None
    return (date - datetime.now(UTC)).total_seconds()
