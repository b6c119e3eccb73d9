"""SeaweedFS's notifications become S3's events."""

from __future__ import annotations

from typing import Any

import pytest

from devstack.s3_events.events import to_event
from tests.lambda_resize.bucket_event import eventbridge_event

FILE = {
    "name": "x.jpg",
    "attributes": {"file_size": 10},
    "extended": {"Seaweed-X-Amz-ETag": "MzM2MzExYTAxNjE4NDMyNmRkYmRkNjFlZGQ0ZWViNTI="},
}
FOLDER = {"name": "a", "is_directory": True}


def _change(kind: str, key: str = "/buckets/photos/photo/a b/ü+%20.jpg", **entries: Any) -> dict[str, Any]:
    return {"event_type": kind, "key": key, "message": entries}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (_change("create", new_entry=FILE), "Object Created"),
        (_change("update", old_entry=FILE, new_entry=FILE), "Object Created"),
        (_change("delete", old_entry=FILE), "Object Deleted"),
    ],
)
def test_the_event_has_eventbridges_fields_and_a_plain_key(change: dict[str, Any], kind: str) -> None:
    event = to_event(change)
    example = eventbridge_event("photos", "photo/a b/ü+%20.jpg", kind)

    assert event is not None
    assert event.keys() == example.keys()
    assert event["detail"].keys() <= example["detail"].keys()
    assert event["detail"]["object"].keys() <= example["detail"]["object"].keys()
    assert (event["detail-type"], event["detail"]["bucket"]) == (kind, {"name": "photos"})
    assert event["detail"]["object"]["key"] == "photo/a b/ü+%20.jpg"
    assert event["detail"]["object"].get("etag") == (
        "336311a016184326ddbdd61edd4eeb52" if kind == "Object Created" else None
    )


@pytest.mark.parametrize(
    "change",
    [
        _change("create", new_entry=FOLDER),
        _change("delete", old_entry=FOLDER),
        _change("rename", old_entry=FILE, new_entry=FILE),
        _change("create", "/buckets/photos", new_entry=FILE),
    ],
)
def test_folders_and_buckets_cause_no_event(change: dict[str, Any]) -> None:
    assert to_event(change) is None
