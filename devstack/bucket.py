"""An external S3's bucket, from environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Bucket:
    """An `S3Address` of plain values."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str

    @classmethod
    def from_environment(cls) -> Self:
        """Return the bucket that the SDK's variables and `PREW_SOURCE_BUCKET` name."""
        return cls(
            endpoint=os.environ["AWS_ENDPOINT_URL_S3"],
            bucket=os.environ["PREW_SOURCE_BUCKET"],
            access_key=os.environ["AWS_ACCESS_KEY_ID"],
            secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
            region=os.environ["AWS_REGION"],
        )
