"""Polishing: a stored preview is replaced by one in fewer bytes, if it is still the same and of the same photo."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devstack.backends import S3, s3_client
from lambda_resize import handler as handler_module
from lambda_resize.errors import InvalidRequest, StorageFailed
from lambda_resize.handler import run
from lambda_resize.request import Polish, parse
from lambda_resize.storage import Storage
from lambda_resize.stored import StoredPhoto
from tests.contract_examples.examples import example
from tests.lambda_resize.pictures import encode, gradient

BUCKET, PHOTO, PREVIEW = "photos", "photo/a/b.jpg", "prew/card/a/b.jpg"
REQUEST = example("request_polish")
Change = Callable[[Any], object]


class Gated(Storage):
    """A real S3 that calls what a test says after the photo was read, and after the preview was written."""

    after_read: Change = staticmethod(lambda _: None)
    after_write: Change = staticmethod(lambda _: None)
    client: Any

    def read(self, bucket: str, key: str, max_bytes: int, ends_at: float = math.inf) -> StoredPhoto:
        photo = super().read(bucket, key, max_bytes, ends_at)
        self.after_read(self.client)
        return photo

    def write(self, bucket: str, key: str, data: bytes, **described: Any) -> str:
        etag = super().write(bucket, key, data, **described)
        self.after_write(self.client)
        return etag


@pytest.fixture(name="storage")
def _storage(s3: S3, environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gated]:
    del environment
    storage = Gated.from_environment(os.environ)
    storage.client = s3_client(s3)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
    monkeypatch.setattr(handler_module, "_storage", lambda: storage)
    _upload(storage.client)
    _make(storage.client)
    yield storage
    for key in (PHOTO, PREVIEW):
        storage.client.delete_object(Bucket=BUCKET, Key=key)


def _upload(client: Any, shade: int = 0) -> None:
    picture = gradient(1440, 1000)
    picture.putpixel((0, 0), (shade, shade, shade))
    client.put_object(Bucket=BUCKET, Key=PHOTO, Body=encode(picture, "JPEG"))


def _make(_: Any) -> None:
    """Make the preview as for somebody who waits."""
    fast = {name: value for name, value in REQUEST.items() if name not in {"polish", "find"}}
    assert run(fast | {"jpeg_effort": 0}, None)["status"] is True


def _head(client: Any) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.head_object(Bucket=BUCKET, Key=PREVIEW)
    except client.exceptions.ClientError:
        return None
    return found


def _polish(client: Any, **changes: object) -> dict[str, object]:
    head = _head(client)
    assert head is not None
    asked = {
        "etag": head["ETag"],
        "source_etag": head["Metadata"]["source-etag"],
        "max_bytes": head["ContentLength"] * 95 // 100,
    }
    return run(REQUEST | {"polish": asked | changes}, None)


def test_a_preview_is_replaced_by_a_smaller_one_that_says_so(storage: Gated) -> None:
    before = _head(storage.client)
    answer = _polish(storage.client)
    after = _head(storage.client)

    assert before is not None
    assert after is not None
    assert {n: type(v) for n, v in answer.items()} == {n: type(v) for n, v in example("response_polished").items()}
    assert (answer["polished"], answer["size"]) == ("done", after["ContentLength"])
    assert after["ContentLength"] <= before["ContentLength"] * 0.95
    assert after["Metadata"] == before["Metadata"] | {"polished": "true"}
    assert (after["ContentType"], after["CacheControl"]) == (before["ContentType"], before["CacheControl"])


def test_what_gains_too_little_stays(storage: Gated) -> None:
    before = _head(storage.client)
    answer = _polish(storage.client, max_bytes=10)

    assert before is not None
    assert answer["polished"] == "too_little"
    assert _etag(storage.client) == before["ETag"]


def _etag(client: Any) -> str | None:
    head = _head(client)
    return None if head is None else str(head["ETag"])


def _delete(client: Any) -> None:
    client.delete_object(Bucket=BUCKET, Key=PREVIEW)


def _another(client: Any) -> None:
    client.put_object(Bucket=BUCKET, Key=PREVIEW, Body=b"another preview")


def _new_photo(client: Any) -> None:
    _upload(client, 255)


def _new_photo_and_its_preview(client: Any) -> None:
    """As where the event was handled, and somebody asked."""
    _new_photo(client)
    client.put_object(Bucket=BUCKET, Key=PREVIEW, Body=b"of the new photo", Metadata={"source-etag": "another"})


@pytest.mark.fault("photo-changed")
@pytest.mark.parametrize("when", ["after_read", "after_write"])
@pytest.mark.parametrize(
    ("change", "left"),
    [
        (_delete, None),
        (_another, b"another preview"),
        (_new_photo, None),
        (_new_photo_and_its_preview, b"of the new photo"),
    ],
    ids=["purged", "made anew", "photo overwritten", "photo overwritten and made anew"],
)
def test_what_changes_meanwhile_wins(storage: Gated, change: Change, left: bytes | None, when: str) -> None:
    """Between the read and the write, and between the write and the check: a purge stays one, and the newest stays."""
    setattr(storage, when, change)
    answer = _polish(storage.client)

    if (change, when) not in {(_delete, "after_write"), (_another, "after_write")}:
        assert answer["polished"] == "changed"
    found = _etag(storage.client) and storage.client.get_object(Bucket=BUCKET, Key=PREVIEW)["Body"].read()
    if (change, when) == (_new_photo, "after_read"):
        assert found is None  # nobody but this process has handled the event
    assert found == left


def test_a_photo_of_another_version_is_not_rendered(storage: Gated) -> None:
    etag = _etag(storage.client)
    _new_photo(storage.client)
    answer = _polish(storage.client)

    assert (answer["polished"], answer["size"]) == ("changed", 0)
    assert _etag(storage.client) == etag  # it is the cleaner's


def test_a_removed_photo_is_missing(storage: Gated) -> None:
    storage.client.delete_object(Bucket=BUCKET, Key=PHOTO)

    assert _polish(storage.client)["kind"] == "missing"


@pytest.mark.parametrize("answer", ["200", "501 Not Implemented"])
def test_a_store_that_does_not_compare_is_left_alone(
    storage: Gated, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ignores the condition, or refuses it; the probe is deleted."""
    before, write = _etag(storage.client), Storage.write

    def unconditional(self: Storage, bucket: str, key: str, data: bytes, *, replaces: str, **described: Any) -> str:
        del replaces
        if answer != "200":
            raise StorageFailed(f"Server returned non-2xx status code: {answer}")
        return write(self, bucket, key, data, **described)

    monkeypatch.setattr(Storage, "write", unconditional)

    assert _polish(storage.client)["polished"] == "unable"
    assert _etag(storage.client) == before
    assert "Contents" not in storage.client.list_objects_v2(Bucket=BUCKET, Prefix="prew/__doctor__/")


def test_a_preset_that_is_not_known_whole_is_left_alone(storage: Gated) -> None:
    head = _head(storage.client)
    assert head is not None
    asked = {"etag": head["ETag"], "source_etag": head["Metadata"]["source-etag"], "max_bytes": 10**6}

    assert run(REQUEST | {"polish": asked, "newer_field": 1}, None)["polished"] == "unable"


def test_with_an_acl_the_condition_is_sent_too(s3: S3, storage: Gated) -> None:
    with_acl = Storage(endpoint=s3.endpoint, object_acl="public-read")
    described = {"content_type": "image/jpeg", "cache_control": "no-store", "fingerprint": "f", "source_etag": "s"}
    etag = _etag(storage.client)
    assert etag is not None

    assert with_acl.is_conditional(BUCKET, "prew/__doctor__/polish")
    assert with_acl.write(BUCKET, PREVIEW, b"smaller", **described, replaces=etag) == _etag(storage.client)


def test_the_request_is_checked() -> None:
    assert parse(REQUEST).polish == Polish(**REQUEST["polish"])
    for wrong in ("yes", {}, {"etag": '"a"', "source_etag": "b"}, REQUEST["polish"] | {"max_bytes": -1}):
        with pytest.raises(InvalidRequest):
            parse(REQUEST | {"polish": wrong})
