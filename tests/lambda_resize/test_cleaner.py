"""The cleaner deletes a photo's previews and no others, on a real S3."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from devstack.backends import S3, s3_client
from lambda_resize import cleaner, storage
from tests.lambda_resize.bucket_event import eventbridge_event
from tests.support.serving import QuietHandler, serving_http


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
    stay = {f"photo/x{name}", f"prew/card/x{name}", f"prew/card/{name}.jpg", f"prew/card/sub/{name}"}
    go = {f"prew/card/{name}", f"prew/thumb/{name}", f"prew/long_gone/{name}"}
    for key in stay | go:
        s3_client(s3).put_object(Bucket=bucket, Key=key, Body=b"x")
    answer = cleaner.handler(eventbridge_event(bucket, f"photo/{name}", kind), None)

    assert _keys(s3, bucket) == stay
    assert go == set(answer["deleted"])  # type: ignore[call-overload]


@pytest.mark.fault("event-late")
@pytest.mark.parametrize("kind", ["Object Created", "Object Deleted"])
def test_a_preview_of_the_current_photo_stays_whatever_the_event_says(s3: S3, bucket: str, kind: str) -> None:
    """Events come late and in any order: a preview rendered since is of the new photo."""
    client = s3_client(s3)
    current = client.put_object(Bucket=bucket, Key="photo/a.jpg", Body=b"new")["ETag"].strip('"')
    event = eventbridge_event(bucket, "photo/a.jpg", kind)
    for preset, source in (("card", current), ("thumb", event["detail"]["object"]["etag"]), ("long_gone", "")):
        metadata = {cleaner.SOURCE_ETAG: source} if source else {}
        client.put_object(Bucket=bucket, Key=f"prew/{preset}/a.jpg", Body=b"x", Metadata=metadata)
    cleaner.handler(event, None)

    assert _keys(s3, bucket) == {"photo/a.jpg", "prew/card/a.jpg"}


class Racing:
    """The function's S3, where a preview of the new photo replaces the old one's right before a deletion."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def delete_object(self, **parameters: str) -> object:
        self._client.put_object(Bucket=parameters["Bucket"], Key=parameters["Key"], Body=b"fresh")
        return self._client.delete_object(**parameters)


@pytest.mark.fault("event-late")
def test_a_preview_that_is_stored_meanwhile_stays(s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    s3_client(s3).put_object(Bucket=bucket, Key="prew/card/a.jpg", Body=b"old")
    racing = Racing(cleaner._s3())
    monkeypatch.setattr(cleaner, "_s3", lambda: racing)

    assert cleaner.handler(eventbridge_event(bucket, "photo/a.jpg"), None) == {"deleted": []}
    assert s3_client(s3).get_object(Bucket=bucket, Key="prew/card/a.jpg")["Body"].read() == b"fresh"


class Unconditional(Racing):
    """An S3 that does not know conditional deletions."""

    def delete_object(self, **parameters: str) -> object:
        if "IfMatch" in parameters:
            raise refusal(501)
        return self._client.delete_object(**parameters)


def refusal(status: int) -> ClientError:
    """S3's answer with an error."""
    response = {"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "S3")  # type: ignore[arg-type]  # without the fields that nobody reads


def test_a_store_without_conditional_deletions_is_cleaned(s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    s3_client(s3).put_object(Bucket=bucket, Key="prew/card/a.jpg", Body=b"old")
    client = Unconditional(cleaner._s3())
    monkeypatch.setattr(cleaner, "_s3", lambda: client)
    cleaner.handler(eventbridge_event(bucket, "photo/a.jpg"), None)

    assert _keys(s3, bucket) == set()


def test_the_functions_agree_on_the_name() -> None:
    assert cleaner.SOURCE_ETAG == storage.SOURCE_ETAG


def test_a_second_delivery_changes_nothing(s3: S3, bucket: str) -> None:
    """Events may be delivered twice, and for photos without previews."""
    s3_client(s3).put_object(Bucket=bucket, Key="prew/card/other.jpg", Body=b"x")
    for _ in range(2):
        cleaner.handler(eventbridge_event(bucket, "photo/a.jpg"), None)

    assert _keys(s3, bucket) == {"prew/card/other.jpg"}


@pytest.mark.parametrize(
    ("keys", "photo"),
    [
        ("wp-content/uploads/", "wp-content/uploads/"),
        ("wp-content/uploads", "wp-content/uploads/"),
        ("", ""),
        ("/", ""),
    ],
)
def test_photos_may_be_elsewhere(s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch, keys: str, photo: str) -> None:
    monkeypatch.setenv("PREW_SOURCE_KEYS", keys)
    for key in ("prew/card/2026/a.jpg", "prew/card/2026/b.jpg"):
        s3_client(s3).put_object(Bucket=bucket, Key=key, Body=b"x")
    others = ["photo/2026/b.jpg", "prew/card/2026/b.jpg", "prew/card/prew/card/2026/b.jpg"]

    assert [cleaner.handler(eventbridge_event(bucket, key), None)["deleted"] for key in others] == [[]] * 3
    answer = cleaner.handler(eventbridge_event(bucket, f"{photo}2026/a.jpg", "Object Deleted"), None)
    assert answer["deleted"] == ["prew/card/2026/a.jpg"]


@pytest.mark.parametrize(("keys", "photo"), [(None, "photo/"), ("media", "media/"), ("/", "")])
def test_a_sources_photos_have_their_previews_in_its_own_bucket(
    s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch, keys: str | None, photo: str
) -> None:
    monkeypatch.setenv("PREW_SOURCE_KEYS", "elsewhere/")
    monkeypatch.setenv("PREW_PREVIEW_BUCKET", "the-main-sources")
    monkeypatch.setenv("PREW_SOURCES__SHOP__BUCKET", bucket)
    if keys is not None:
        monkeypatch.setenv("PREW_SOURCES__SHOP__KEYS", keys)
    s3_client(s3).put_object(Bucket=bucket, Key="prew/card/a.jpg", Body=b"x")

    answer = cleaner.handler(eventbridge_event(bucket, f"{photo}a.jpg", "Object Deleted"), None)
    assert answer["deleted"] == ["prew/card/a.jpg"]


@pytest.mark.parametrize("key", ["prew/card/a.jpg", "photos/a.jpg", "other/a.jpg"])
def test_events_of_other_objects_delete_nothing(s3: S3, bucket: str, key: str) -> None:
    s3_client(s3).put_object(Bucket=bucket, Key="prew/card/a.jpg", Body=b"x")

    assert cleaner.handler(eventbridge_event(bucket, key), None) == {"deleted": []}
    assert _keys(s3, bucket) == {"prew/card/a.jpg"}


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("name", ["2026/", "2026//a.jpg", "./a.jpg", "a\\..\\b.jpg", "a\n.jpg", ""])
def test_an_object_that_can_have_no_preview_ends_no_event_in_a_failure(
    monkeypatch: pytest.MonkeyPatch, name: str, *, root: bool
) -> None:
    """Such as the folders that S3's console creates: the service refuses their paths, again and again."""
    monkeypatch.setenv("PREW_SERVICE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("PREW_SOURCE_KEYS", "/" if root else "photo/")

    key = name if root else f"photo/{name}"
    assert cleaner.handler(eventbridge_event("no-bucket", key), None) == {"deleted": []}


class AsLong(Racing):
    """An S3 that refuses keys as Amazon's does; the local one says that nothing is there."""

    def head_object(self, **parameters: str) -> object:
        if len(parameters["Key"]) > 1024:
            raise refusal(400)
        return self._client.head_object(**parameters)

    def delete_object(self, **parameters: str) -> object:
        return self._client.delete_object(**parameters)


def test_a_long_name_has_previews_in_presets_with_short_names(
    s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_long = AsLong(cleaner._s3())
    monkeypatch.setattr(cleaner, "_s3", lambda: as_long)
    name = "/".join(["a" * 200] * 5 + ["fg.jpg"])
    s3_client(s3).put_object(Bucket=bucket, Key=f"prew/card/{name}", Body=b"x")
    s3_client(s3).put_object(Bucket=bucket, Key="prew/card@2x.webp/a.jpg", Body=b"x")

    answer = cleaner.handler(eventbridge_event(bucket, f"photo/{name}", "Object Deleted"), None)
    assert answer["deleted"] == [f"prew/card/{name}"]


class Refusing(Racing):
    """An S3 that refuses to delete one preset's previews."""

    def delete_object(self, **parameters: str) -> object:
        if "card" in parameters["Key"]:
            raise refusal(403)
        return self._client.delete_object(**parameters)


@pytest.mark.fault("event-fails")
def test_a_failed_deletion_is_an_error_after_the_others(s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that EventBridge retries; otherwise the outdated preview would stay for ever."""
    for preset in ("card", "thumb"):
        s3_client(s3).put_object(Bucket=bucket, Key=f"prew/{preset}/a.jpg", Body=b"x")
    refusing = Refusing(cleaner._s3())
    monkeypatch.setattr(cleaner, "_s3", lambda: refusing)
    with pytest.raises(cleaner.CleanerError, match="403"):
        cleaner.handler(eventbridge_event(bucket, "photo/a.jpg"), None)

    assert _keys(s3, bucket) == {"prew/card/a.jpg"}


@pytest.mark.fault("event-fails")
@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://127.0.0.1", "file:///etc", "127.0.0.1:8080"])
def test_a_service_that_cannot_be_asked_is_an_error_after_all_deletions_but_one(
    s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Otherwise the photo would stay missing for a while; by the one that is left, the next try tells the caches."""
    for preset in ("card", "square", "thumb"):
        s3_client(s3).put_object(Bucket=bucket, Key=f"prew/{preset}/a.jpg", Body=b"x")
    monkeypatch.setenv("PREW_SERVICE_URL", url)
    with pytest.raises(cleaner.CleanerError, match=url.split(":", maxsplit=1)[0]):
        cleaner.handler(eventbridge_event(bucket, "photo/a.jpg"), None)

    assert _keys(s3, bucket) == {"prew/card/a.jpg"}


class Service:
    """What the cleaner asks the service, and how many previews there are at that time."""

    def __init__(self, previews: Callable[[], int]) -> None:
        self.previews = previews
        self.seen: list[tuple[str, str, int]] = []
        self.status = 204

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        service = self

        class Handler(QuietHandler):
            def answer(self) -> None:
                service.seen.append((self.command, self.path, service.previews()))
                self.send_response(service.status if self.command == "PUT" else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_DELETE = answer

        with serving_http(Handler) as server:
            yield server.url


@pytest.mark.parametrize(("metadata", "query"), [({"cache-tag": "photo-1,preset-card"}, ""), ({}, "?untagged=1")])
@pytest.mark.parametrize("status", [204, 405])
def test_the_service_is_asked_before_and_after_the_deletions(  # noqa: PLR0917 -- fixtures
    s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch, metadata: dict[str, str], query: str, status: int
) -> None:
    """An earlier version, which knows no PUT, has no caches to tell."""
    for preset in ("card", "thumb"):
        s3_client(s3).put_object(Bucket=bucket, Key=f"prew/{preset}/a b.jpg", Body=b"x", Metadata=metadata)
    service = Service(lambda: len(_keys(s3, bucket)))
    service.status = status
    with service.running() as url:
        monkeypatch.setenv("PREW_SERVICE_URL", url)
        for _ in range(2):
            cleaner.handler(eventbridge_event(bucket, "photo/a b.jpg"), None)

    noted, changed = ("PUT", f"/-/outdated/photo/a%20b.jpg{query}", 2), ("DELETE", "/-/results/photo/a%20b.jpg", 0)
    assert service.seen == [noted, changed, changed]
