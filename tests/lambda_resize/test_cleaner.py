"""The cleaner deletes a photo's previews and no others, on a real S3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.backends import S3, s3_client
from lambda_resize import cleaner, storage
from tests.lambda_resize.bucket_event import eventbridge_event


@pytest.fixture(name="bucket")
def _bucket(s3: S3, environment: None) -> Iterator[str]:
    """A separate bucket, and the function's environment for it."""
    del environment
    client_of_function = cleaner._s3
    client_of_function.cache_clear()
    client = s3_client(s3)
    client.create_bucket(Bucket="cleaned")
    yield "cleaned"
    for found in client.list_objects_v2(Bucket="cleaned").get("Contents", []):
        client.delete_object(Bucket="cleaned", Key=found["Key"])
    client.delete_bucket(Bucket="cleaned")
    client_of_function.cache_clear()


def _keys(s3: S3, bucket: str) -> set[str]:
    return {found["Key"] for found in s3_client(s3).list_objects_v2(Bucket=bucket).get("Contents", [])}


@pytest.mark.parametrize("kind", ["Object Created", "Object Deleted"])
@pytest.mark.parametrize("name", ["a/b.jpg", "with space+plus%20.jpg", "クズ箱/ゴミ.jpg"])
def test_exactly_that_photos_previews_are_deleted(s3: S3, bucket: str, name: str, kind: str) -> None:
    stay = {f"photo/{name}", f"photo/x{name}", f"prew/card/x{name}", f"prew/card/{name}.jpg", f"prew/card/sub/{name}"}
    go = {f"prew/card/{name}", f"prew/thumb/{name}", f"prew/long_gone/{name}"}
    for key in stay | go:
        s3_client(s3).put_object(Bucket=bucket, Key=key, Body=b"x")
    answer = cleaner.handler(eventbridge_event(bucket, f"photo/{name}", kind), None)

    assert _keys(s3, bucket) == stay
    assert go == set(answer["deleted"])  # type: ignore[call-overload]


@pytest.mark.parametrize(("kind", "stays"), [("Object Created", True), ("Object Deleted", False)])
def test_a_preview_of_the_new_photo_stays(s3: S3, bucket: str, kind: str, stays: bool) -> None:  # noqa: FBT001 -- a column
    """Events may be late: a preview rendered since is of the new photo. Of a removed photo nothing stays."""
    event = eventbridge_event(bucket, "photo/a.jpg", kind)
    etag = event["detail"]["object"]["etag"]
    for preset, source in (("card", etag), ("thumb", "0123"), ("long_gone", "")):
        metadata = {cleaner.SOURCE_ETAG: source} if source else {}
        s3_client(s3).put_object(Bucket=bucket, Key=f"prew/{preset}/a.jpg", Body=b"x", Metadata=metadata)
    cleaner.handler(event, None)

    assert _keys(s3, bucket) == ({"prew/card/a.jpg"} if stays else set())


def test_the_functions_agree_on_the_name() -> None:
    assert cleaner.SOURCE_ETAG == storage.SOURCE_ETAG


def test_a_second_delivery_changes_nothing(s3: S3, bucket: str) -> None:
    """Events may be delivered twice, and for photos without previews."""
    s3_client(s3).put_object(Bucket=bucket, Key="prew/card/other.jpg", Body=b"x")
    for _ in range(2):
        cleaner.handler(eventbridge_event(bucket, "photo/a.jpg"), None)

    assert _keys(s3, bucket) == {"prew/card/other.jpg"}


@pytest.mark.parametrize("key", ["prew/card/a.jpg", "photos/a.jpg", "other/a.jpg"])
def test_events_of_other_objects_delete_nothing(s3: S3, bucket: str, key: str) -> None:
    s3_client(s3).put_object(Bucket=bucket, Key="prew/card/a.jpg", Body=b"x")

    assert cleaner.handler(eventbridge_event(bucket, key), None) == {"deleted": []}
    assert _keys(s3, bucket) == {"prew/card/a.jpg"}


@pytest.mark.fault("event-fails")
def test_a_failed_deletion_is_an_error(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that EventBridge retries; otherwise the outdated preview would stay for ever."""

    class Refusing:
        def delete_objects(self, **_: object) -> dict[str, object]:
            return {"Errors": [{"Key": "prew/card/a.jpg", "Code": "AccessDenied"}]}

    monkeypatch.setattr(cleaner, "_s3", Refusing)
    with pytest.raises(cleaner.CleanerError, match="AccessDenied"):
        cleaner._delete(bucket, ["prew/card/a.jpg"])
