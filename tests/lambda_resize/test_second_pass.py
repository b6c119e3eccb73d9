"""Whatever the order of rendering, changes, events, kills and freezes: after the second pass no old preview is left.

A rendering reads its photo, writes its preview, before or after its answer, and checks the photo again, or is killed
before the check; `test_interrupted` has real processes that are killed and stopped. The photo is overwritten or removed
meanwhile, perhaps twice; its events are handled at once, late, in another order, or not at all. The second pass comes
when no rendering can write any more. All orders that matter are tried, on a real S3.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from devstack.backends import S3
from lambda_resize import cleaner, storage
from lambda_resize.afterwards import Left
from lambda_resize.batch import render_batch
from lambda_resize.errors import ResizeError, StorageFailed
from lambda_resize.request import ResizeRequest, parse
from lambda_resize.settings import Settings
from lambda_resize.storage import Storage
from lambda_resize.stored import StoredPhoto
from tests.contract_examples.examples import example
from tests.lambda_resize.bucket_event import eventbridge_event
from tests.lambda_resize.buckets import own_bucket
from tests.lambda_resize.pictures import encode

BUCKET = "passes"
PHOTO, PREVIEW = "photo/a.jpg", "prew/card/a.jpg"
ROOT = Path(__file__).resolve().parents[2]
# What happens beside the rendering, in this order: an overwriting, a removal, an upload, an event's first pass.
WORLDS = ["o", "oe", "eo", "d", "de", "oed", "ode", "ooe", "du", "deu", "due", "odu"]


class Killed(BaseException):
    """The process has ended."""


class Stepwise(Storage):
    """An S3 before whose every request things happen: `between` has a text for each of read, write, check."""

    between: Iterator[str]
    world: World
    killed_at_check: bool

    def read(self, bucket: str, key: str, max_bytes: int, ends_at: float = math.inf) -> StoredPhoto:
        self.world.goes_on(next(self.between))
        return super().read(bucket, key, max_bytes, ends_at)

    def write(self, *place: Any, **described: Any) -> str:
        self.world.goes_on(next(self.between))
        return super().write(*place, **described)

    def etag(self, bucket: str, key: str) -> str:
        self.world.goes_on(next(self.between))
        if self.killed_at_check:
            raise Killed
        return super().etag(bucket, key)


class World:
    """The bucket, and those who change its photo."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._greys = itertools.count(10, 40)
        self.goes_on("u")

    def goes_on(self, happenings: str) -> None:
        """Let things happen, a letter each."""
        for each in happenings:
            if each in "ou":
                body = encode(Image.new("L", (90, 50), next(self._greys)), "JPEG")
                self.client.put_object(Bucket=BUCKET, Key=PHOTO, Body=body)
            elif each == "d":
                self.client.delete_object(Bucket=BUCKET, Key=PHOTO)
            else:
                cleaner.handler(eventbridge_event(BUCKET, PHOTO), None)

    def second_pass(self) -> None:
        """Handle an event as SQS delivers it."""
        body = json.dumps(eventbridge_event(BUCKET, PHOTO))
        cleaner.handler({"Records": [{"eventSource": "aws:sqs", "body": body}]}, None)

    def old_previews(self) -> list[str]:
        """Return the previews that are not of the photo as it is."""
        photo = self._body(PHOTO)
        preview = self._body(PREVIEW)
        if preview is None or (photo is not None and _grey(photo) == _grey(preview)):
            return []
        return [PREVIEW]

    def _body(self, key: str) -> bytes | None:
        try:
            return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None


def _grey(body: bytes) -> int:
    return round(Image.open(io.BytesIO(body)).convert("L").crop((20, 20, 21, 21)).tobytes()[0] / 10)


def _orders(world: str) -> list[tuple[str, str, str]]:
    """Return every way to spread what happens over the times before read, write and check; the rest comes after."""
    places = range(len(world) + 1)
    cuts = [each for each in itertools.product(places, repeat=3) if list(each) == sorted(each)]
    return [(world[:first], world[first:second], world[second:third]) for first, second, third in cuts]


@pytest.fixture(name="client")
def _client(s3: S3, environment: None) -> Iterator[Any]:
    del environment
    with own_bucket(s3, BUCKET) as client:
        yield client


def _request(**more: object) -> ResizeRequest:
    return parse(example("request_full") | {"src_bucket": BUCKET, "dst_bucket": BUCKET, "src_key": PHOTO} | more)


def _render(storage: Storage, *, answers_first: bool) -> None:
    """Render, write and check; with the write after the answer, which says so, or before."""
    if not answers_first:
        render_batch(_request(), storage, Settings())
        return
    left = Left()
    answer = render_batch(_request(answer_first={"max_bytes": 1_000_000, "seconds": 30}), storage, Settings(), left)
    assert answer["written"] is False
    for work in left.work:
        work()


@pytest.mark.fault("photo-changed-at-any-time")
@pytest.mark.parametrize("answers_first", [False, True])
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("happenings", WORLDS)
def test_after_the_second_pass_no_preview_of_an_old_photo_is_left(
    client: Any, happenings: str, *, killed: bool, answers_first: bool
) -> None:
    for order in _orders(happenings):
        for key in (PHOTO, PREVIEW):
            client.delete_object(Bucket=BUCKET, Key=key)
        world = World(client)
        rendering = Stepwise.from_environment(os.environ)
        rendering.world, rendering.killed_at_check = world, killed
        rendering.between = itertools.chain(order, itertools.repeat(""))
        with contextlib.suppress(ResizeError, Killed):
            _render(rendering, answers_first=answers_first)
        world.goes_on(happenings[len("".join(order)) :])
        world.second_pass()

        assert world.old_previews() == [], order


@pytest.mark.fault("photo-changed-at-any-time")
def test_a_rendering_that_was_stopped_past_the_second_pass_writes_nothing(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, now_s = World(client), [1_000_000.0]

    class Frozen(Storage):
        def read(self, bucket: str, key: str, max_bytes: int, ends_at: float = math.inf) -> StoredPhoto:
            photo = super().read(bucket, key, max_bytes, ends_at)
            now_s[0] += storage.MAX_AGE_S + 1
            world.goes_on("oe")
            world.second_pass()
            return photo

    monkeypatch.setattr("time.time", lambda: now_s[0])
    with pytest.raises(StorageFailed, match="was read 61 s ago"):
        render_batch(_request(), Frozen.from_environment(os.environ), Settings())

    assert world.old_previews() == []


def test_the_second_pass_comes_after_the_last_possible_write() -> None:
    template = (ROOT / "infra" / "prewmanager.yaml").read_text()
    local = (ROOT / "devstack" / "s3_events" / "__main__.py").read_text()
    delays = [*re.findall(r"DelaySeconds: (\d+)", template), *re.findall(r"^AGAIN_S = ([\d.]+)", local, re.MULTILINE)]

    assert [float(each) for each in delays] == [90, 90]
    assert storage.MAX_AGE_S + storage.LONGEST_WRITE_S < 90
