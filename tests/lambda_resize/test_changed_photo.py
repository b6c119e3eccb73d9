"""A photo that changes while its previews are rendered: the bucket ends with previews of the current photo."""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from devstack.backends import S3, s3_client
from lambda_resize.afterwards import Left
from lambda_resize.batch import MAX_READS, render_batch
from lambda_resize.errors import Missing, StorageFailed
from lambda_resize.request import ResizeRequest, parse
from lambda_resize.settings import Settings
from lambda_resize.storage import Storage
from lambda_resize.stored import StoredPhoto
from tests.contract_examples.examples import example
from tests.lambda_resize.pictures import encode
from tests.support.private_listing import private_listing

PHOTO = "photo/changing.jpg"
PREVIEWS = ("prew/card/changing.jpg", "prew/thumb/changing.jpg")


class Changed(Storage):
    """A real S3 that calls `change` right after each of the first `times` reads, with their number."""

    change: Callable[[int], object]
    times: int
    readings = 0

    def read(self, bucket: str, key: str, max_bytes: int, ends_at: float = math.inf) -> StoredPhoto:
        photo = super().read(bucket, key, max_bytes, ends_at)
        self.readings += 1
        if self.readings <= self.times:
            self.change(self.readings)
        return photo


@pytest.fixture(name="storage")
def _storage(environment: None) -> Changed:
    del environment
    return Changed.from_environment(os.environ)


@pytest.fixture(name="client")
def _client(s3: S3) -> Iterator[Any]:
    """The bucket, with a black photo."""
    client = s3_client(s3)
    client.put_object(Bucket="photos", Key=PHOTO, Body=_photo(0))
    yield client
    for key in (PHOTO, *PREVIEWS):
        client.delete_object(Bucket="photos", Key=key)


@pytest.fixture(name="request_")
def _request() -> ResizeRequest:
    also = [{"preset_name": "thumb", "width": 200}]
    return parse(example("request_full") | {"src_key": PHOTO, "also": also})


def _photo(grey: int) -> bytes:
    return encode(Image.new("L", (900, 500), grey), "JPEG")


def _stored(client: Any) -> set[str]:
    listed = client.list_objects_v2(Bucket="photos", Prefix="prew/").get("Contents", [])
    return {each["Key"] for each in listed} & set(PREVIEWS)


@pytest.mark.fault("photo-changed")
def test_an_overwritten_photo_is_read_again(client: Any, storage: Changed, request_: ResizeRequest) -> None:
    """Otherwise nothing would ever delete the old photo's previews."""
    storage.times = 1
    storage.change = lambda _: client.put_object(Bucket="photos", Key=PHOTO, Body=_photo(255))
    answer = render_batch(request_, storage, Settings())

    assert (storage.readings, answer["status"]) == (2, True)
    for key in PREVIEWS:
        body = client.get_object(Bucket="photos", Key=key)["Body"].read()
        assert Image.open(io.BytesIO(body)).convert("L").getpixel((20, 20)) == 255


def test_an_unchanged_photo_is_read_and_checked_once(client: Any, storage: Changed, request_: ResizeRequest) -> None:
    storage.times = 0
    answer: Any = render_batch(request_, storage, Settings())

    assert storage.readings == 1
    assert answer["timings"].keys() == {"read", "resize", "write", "check"}
    assert _stored(client) == set(PREVIEWS)


@pytest.mark.fault("photo-changed")
def test_a_removed_photo_leaves_no_previews(client: Any, storage: Changed, request_: ResizeRequest) -> None:
    """They would be served for ever; the caller gets `missing`."""
    storage.times = 1
    storage.change = lambda _: client.delete_object(Bucket="photos", Key=PHOTO)
    with pytest.raises(Missing):
        render_batch(request_, storage, Settings())

    assert _stored(client) == set()


def test_a_photo_that_always_changes_gets_no_preview(client: Any, storage: Changed, request_: ResizeRequest) -> None:
    """No preview is better than an outdated one; a later request starts anew."""
    storage.times = MAX_READS
    storage.change = lambda number: client.put_object(Bucket="photos", Key=PHOTO, Body=_photo(10 * number))
    with pytest.raises(StorageFailed, match="changes while"):
        render_batch(request_, storage, Settings())

    assert (storage.readings, _stored(client)) == (MAX_READS, set())


class Unwatchable(Storage):
    """A real S3 that fails when asked for a photo's current state."""

    def etag(self, bucket: str, key: str) -> str:
        raise StorageFailed(f"{bucket}/{key}: SlowDown")


@pytest.mark.usefixtures("environment")
@pytest.mark.fault("photo-changed")
def test_a_photo_that_cannot_be_checked_leaves_no_previews(client: Any, request_: ResizeRequest) -> None:
    """It may have changed before they were written, and its event been handled: nothing would ever delete them."""
    with pytest.raises(StorageFailed, match="SlowDown"):
        render_batch(request_, Unwatchable.from_environment(os.environ), Settings())

    assert _stored(client) == set()


@pytest.mark.usefixtures("environment")
@pytest.mark.fault("s3-private-listing")
@pytest.mark.parametrize("lists", [True, False])
def test_a_photo_that_is_denied_after_writing(s3: S3, client: Any, request_: ResizeRequest, *, lists: bool) -> None:
    """Without the right to list, it is gone; with it, S3 refuses one photo, and its previews are no fault of that."""
    with private_listing(s3, lists=lists) as proxy:
        storage = Changed(endpoint=proxy.s3.endpoint, region=s3.region)
        storage.times = 1
        storage.change = lambda _: proxy.denied.add(PHOTO)
        if lists:
            assert render_batch(request_, storage, Settings())["status"] is True
        else:
            with pytest.raises(Missing):
                render_batch(request_, storage, Settings())

    assert _stored(client) == (set(PREVIEWS) if lists else set())


@pytest.mark.fault("photo-changed")
@pytest.mark.parametrize("happens", ["nothing", "overwritten", "removed"])
def test_the_check_may_follow_the_answer_and_deletes_what_is_outdated(
    client: Any, storage: Changed, request_: ResizeRequest, happens: str
) -> None:
    storage.times = 0
    left = Left()
    answer = render_batch(request_, storage, Settings(), left)
    assert _stored(client) == set(PREVIEWS)
    if happens == "overwritten":
        client.put_object(Bucket="photos", Key=PHOTO, Body=_photo(255))
    if happens == "removed":
        client.delete_object(Bucket="photos", Key=PHOTO)
    (check,) = left.work
    with pytest.raises(Missing) if happens == "removed" else contextlib.nullcontext():
        check()

    assert answer["status"] is True
    assert _stored(client) == (set(PREVIEWS) if happens == "nothing" else set())
