"""A store that shows seconds late what was written to it: nobody renders a preview again meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from devstack.backends import Redis
from devstack.lambda_server import Lambda
from tests.lambda_resize.pictures import encode
from tests.support.asking import ask
from tests.support.fakes import until_reported
from tests.support.private_listing import PrivateListing
from tests.support.site import Site

LARGEST = {"PREW_MAX_RESULT_BYTES": "10000"}


@pytest.fixture(name="late")
def _late(counted_s3: PrivateListing) -> PrivateListing:
    counted_s3.unseen = "prew/"
    return counted_s3


@pytest.mark.fault("s3-shows-late")
def test_a_preview_that_the_store_shows_late_is_rendered_once(
    late: PrivateListing, function_of_counted_s3: Lambda, redis_server: Redis, tmp_path: Path
) -> None:
    with Site(tmp_path, late.s3, redis_server, function_of_counted_s3, replicas=2) as site:
        site.put("late/a.jpg", encode(Image.new("RGB", (900, 600), "teal"), "JPEG"))
        answers = [site.get("/prew/card/late/a.jpg") for _ in range(20)]
        late.unseen = None
        shown = site.get("/prew/card/late/a.jpg")

    assert {answer.status for answer in answers} == {200}
    assert {answer.body for answer in answers} == {shown.body}
    assert function_of_counted_s3.stats()["invocations"] == 1
    assert answers[-1].headers["Cache-Control"] == "no-store"  # the first ones may have joined the flight itself
    assert "max-age" in answers[0].headers["Cache-Control"]
    assert "max-age" in shown.headers["Cache-Control"]


@pytest.mark.fault("s3-shows-late")
async def test_a_large_preview_is_streamed_as_soon_as_the_store_shows_it(
    late: PrivateListing, function_of_counted_s3: Lambda, redis_server: Redis, tmp_path: Path
) -> None:
    key = "prew/card/late/large.jpg"
    with Site(tmp_path, late.s3, redis_server, function_of_counted_s3, replicas=2, settings=LARGEST) as site:
        site.put("late/large.jpg", encode(Image.effect_noise((900, 600), 90), "JPEG", quality=95))
        rendered = await asyncio.to_thread(ask, site.ports[0], f"/{key}")
        before = late.requests[f"GET /{late.s3.bucket}/{key}"]
        # Another replica: the first one's flight may not have ended, and has the bytes.
        asked = asyncio.create_task(asyncio.to_thread(ask, site.ports[1], f"/{key}"))
        await until_reported(lambda: late.requests[f"GET /{late.s3.bucket}/{key}"] > before + 2)
        late.unseen = None
        answer = await asked

    assert (answer.status, answer.body) == (200, rendered.body)
    assert function_of_counted_s3.stats()["invocations"] == 1
