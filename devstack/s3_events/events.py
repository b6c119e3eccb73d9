"""Converts a change in SeaweedFS's filer to the event that EventBridge delivers for S3; no I/O.

docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html describes the event. The filer sends `{"event_type", "key",
"message": {"old_entry", "new_entry"}}`, where the key is the path of a file or a folder.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from devstack.aws_lambda.function import ACCOUNT, DEFAULT_REGION

BUCKETS = "/buckets/"
_ETAG = "Seaweed-X-Amz-ETag"
_CREATED = "Object Created"
_DELETED = "Object Deleted"
_KINDS = {"create": _CREATED, "update": _CREATED, "delete": _DELETED}


def to_event(change: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the event, or None if no object was written or deleted."""
    kind = _KINDS.get(change["event_type"])
    entry = change["message"].get("old_entry" if kind == _DELETED else "new_entry") or {}
    bucket, _, key = change["key"].removeprefix(BUCKETS).partition("/")
    # S3 has no folders; the filer creates and deletes them with their objects.
    if kind is None or entry.get("is_directory") or not key:
        return None
    now = datetime.now(UTC)
    described: dict[str, Any] = {"key": key, "sequencer": f"{now.timestamp() * 1e6:018.0f}"}
    if kind == _CREATED:
        described["size"] = int(entry.get("attributes", {}).get("file_size", 0))
        described["etag"] = base64.b64decode(entry.get("extended", {}).get(_ETAG, "")).decode()
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": DEFAULT_REGION,
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": described,
            "requester": ACCOUNT,
            "reason": "PutObject" if kind == _CREATED else "DeleteObject",
        },
    }
