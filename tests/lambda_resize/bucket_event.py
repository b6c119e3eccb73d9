"""A bucket's event in the form that EventBridge delivers to functions."""

from __future__ import annotations

from typing import Any


def eventbridge_event(bucket: str, key: str, kind: str = "Object Created") -> dict[str, Any]:
    """Return EventBridge's event, with the fields that S3's user guide documents."""
    return {
        "version": "0",
        "id": "11111111-2222-3333-4444-555555555555",
        "detail-type": kind,
        "source": "aws.s3",
        "account": "000000000000",
        "time": "2026-11-02T09:00:00Z",
        "region": "eu-central-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {
                "key": key,
                "size": 5,
                "etag": "d41d8cd98f00b204e9800998ecf8427e",
                "sequencer": "0062E99A88DC407460",
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "000000000000",
            "source-ip-address": "203.0.113.7",
            "reason": "PutObject" if kind == "Object Created" else "DeleteObject",
        },
    }
