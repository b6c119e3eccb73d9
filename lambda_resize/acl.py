"""Writes with an ACL, which obstore cannot set, by boto3."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lambda_resize.errors import Changed, Forbidden, StorageFailed, Throttled, Unauthenticated
from lambda_resize.s3_errors import CREDENTIALS

_KINDS = {401: Forbidden, 403: Forbidden, 429: Throttled, 503: Throttled}
_UNMET = {404, 409, 412}  # of an object to replace: it is gone, being replaced by others, or another one


@dataclass(frozen=True)
class AclClient:
    """Writes objects with one canned ACL.

    Attributes:
        acl: Its name.
        endpoint: Where S3 is; None: AWS's own.
        region: AWS's; None: as boto3 finds it.
        connect_s: Seconds for a connection.
        read_s: Seconds between two pieces of an answer.
        attempts: How often a write is tried.
    """

    acl: str
    endpoint: str | None
    region: str | None
    connect_s: float
    read_s: float
    attempts: int

    def write(self, bucket: str, key: str, data: bytes, **headers: Any) -> str:
        """Store an object, with headers as boto3 calls them; return its ETag. Raises what `Storage.write` raises."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 -- see `client`

        try:
            result = self.client.put_object(Bucket=bucket, Key=key, Body=data, ACL=self.acl, **headers)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            kind = _KINDS.get(status, StorageFailed)
            kind = Changed if status in _UNMET and "IfMatch" in headers else kind
            kind = Unauthenticated if CREDENTIALS.search(str(error)) else kind
            raise kind(f"{bucket}/{key}: {error}") from error
        except BotoCoreError as error:
            raise StorageFailed(f"{bucket}/{key}: {error}") from error
        return str(result["ETag"])

    @cached_property
    def client(self) -> Any:
        """The client; importing boto3 takes 300 ms, so only at the first write."""
        import boto3  # noqa: PLC0415 -- see above
        from botocore.config import Config  # noqa: PLC0415 -- see above

        config = Config(
            connect_timeout=self.connect_s,
            read_timeout=self.read_s,
            retries={"total_max_attempts": self.attempts, "mode": "standard"},
            s3={"addressing_style": "path" if self.endpoint else "auto"},
            # Some S3-compatible stores refuse the CRC32 that boto3 adds where nothing requires it.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        # boto3 itself reads the region only from AWS_DEFAULT_REGION.
        return boto3.Session(region_name=self.region).client("s3", endpoint_url=self.endpoint, config=config)
