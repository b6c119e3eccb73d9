"""Previews that are written after their answer: when that may be, in which order, and what S3 ends with."""

from __future__ import annotations

import base64
import gc
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from devstack.backends import S3, s3_client
from lambda_resize import handler as handler_module
from lambda_resize import storage
from lambda_resize.afterwards import Left
from lambda_resize.batch import render_batch
from lambda_resize.errors import StorageFailed
from lambda_resize.handler import handler, run
from lambda_resize.request import parse
from lambda_resize.settings import Settings
from lambda_resize.storage import LONGEST_WRITE_S, Storage
from lambda_resize.stored import StoredPhoto
from prewmanager.times import UNWRITTEN_S
from tests.contract_examples.examples import example
from tests.lambda_resize.pictures import encode, gradient

PHOTO, PREVIEW = "photo/a/b.jpg", "prew/card/a/b.jpg"
REQUEST = example("request_answer_first")


@pytest.fixture(name="bucket")
def _bucket(s3: S3, environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    del environment
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
    handler_module._storage.cache_clear()
    client = s3_client(s3)
    client.put_object(Bucket="photos", Key=PHOTO, Body=encode(gradient(1440, 1000), "JPEG"))
    client.delete_object(Bucket="photos", Key=PREVIEW)
    yield client
    for key in (PHOTO, PREVIEW):
        client.delete_object(Bucket="photos", Key=key)
    handler_module._storage.cache_clear()


def _stored(client: Any) -> bytes | None:
    try:
        return bytes(client.get_object(Bucket="photos", Key=PREVIEW)["Body"].read())
    except client.exceptions.NoSuchKey:
        return None


def test_the_answer_is_the_examples_and_the_write_follows_it_before_the_check(bucket: Any) -> None:
    expected, left = example("response_unwritten"), Left()
    answer = run(REQUEST, None, left)

    assert {name: type(value) for name, value in answer.items()} == {n: type(v) for n, v in expected.items()}
    assert (answer["written"], answer["can"]) == (False, expected["can"])
    assert answer["timings"].keys() == expected["timings"].keys()  # type: ignore[attr-defined]  # of a JSON object
    assert _stored(bucket) is None
    write, check = left.work
    write()
    assert _stored(bucket) == base64.b64decode(str(answer["data"]))
    bucket.put_object(Bucket="photos", Key=PHOTO, Body=encode(gradient(900, 900), "JPEG"))
    check()

    assert _stored(bucket) is None


def test_where_nothing_can_follow_the_answer_the_preview_is_written_first(bucket: Any) -> None:
    """Lambda without its extension, and at the edge."""
    answer = handler(REQUEST, None)

    assert answer["can"] == ["find", "polish"]
    assert "written" not in answer
    assert answer["etag"] == bucket.head_object(Bucket="photos", Key=PREVIEW)["ETag"]


@pytest.mark.parametrize(
    ("change", "limit", "has_room"),
    [
        ({"answer_first": None}, 4_400_000, True),
        ({"answer_first": {"max_bytes": 100, "seconds": 30}}, 4_400_000, True),
        ({"answer_first": {"max_bytes": 0, "seconds": 30}}, 4_400_000, True),
        ({"answer_first": {"max_bytes": 9_000_000, "seconds": 30}}, 100, True),
        ({"answer_first": {"max_bytes": 9_000_000, "seconds": 19}}, 4_400_000, True),
        ({"also": [{"preset_name": "thumb", "width": 200}]}, 4_400_000, True),
        ({}, 4_400_000, False),
    ],
    ids=["not asked", "larger", "nothing", "not inlined", "not long enough", "companions", "no room"],
)
def test_what_cannot_be_served_meanwhile_is_written_first(
    bucket: Any, change: dict[str, Any], limit: int, *, has_room: bool
) -> None:
    left = Left(has_room=has_room)
    settings = replace(Settings(), max_data_bytes=limit)
    answer = render_batch(parse(REQUEST | change), Storage.from_environment(os.environ), settings, left)

    assert answer["etag"] == bucket.head_object(Bucket="photos", Key=PREVIEW)["ETag"]
    assert "written" not in answer
    assert len(left.work) == 1  # the check


@pytest.mark.usefixtures("bucket")
def test_a_failure_leaves_nothing(bucket: Any) -> None:
    bucket.delete_object(Bucket="photos", Key=PHOTO)
    left = Left()

    assert run(REQUEST, None, left)["kind"] == "missing"
    assert left.work == []


@pytest.mark.fault("write-lost")
@pytest.mark.parametrize(
    ("late_s", "reason"), [(11.0, "would begin 1.0 s too late"), (storage.MAX_AGE_S + 1.0, "too late")]
)
def test_a_write_that_would_end_after_the_service_serves_its_bytes_does_not_begin(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, late_s: float, reason: str
) -> None:
    """Or after the cleaner's second pass."""
    now_s = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now_s[0])
    left = Left()
    run(REQUEST, None, left)
    now_s[0] += late_s
    with pytest.raises(StorageFailed, match=reason):
        left.work[0]()

    assert _stored(bucket) is None


def test_what_follows_an_answer_holds_no_photo(bucket: Any) -> None:
    """Of 64 MB, perhaps; the preview's bytes are all that it needs."""
    del bucket
    before, left = len(_photos()), Left()
    run(REQUEST, None, left)

    gc.collect()

    assert len(_photos()) == before


def _photos() -> list[StoredPhoto]:
    return [each for each in gc.get_objects() if isinstance(each, StoredPhoto)]


def test_the_service_serves_an_unwritten_preview_until_the_last_write_has_ended() -> None:
    assert UNWRITTEN_S >= LONGEST_WRITE_S + 5
