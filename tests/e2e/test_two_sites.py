"""Two sites whose buckets, in different stores, have one name, and which share a Redis."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from devstack.backends import S3, Redis, start_s3
from tests.lambda_resize.pictures import encode
from tests.support.site import Site


@pytest.mark.fault("two-sites-one-redis")
def test_each_site_has_its_own_picture(s3: S3, redis_server: Redis, tmp_path: Path) -> None:
    """The second request comes while Redis holds the first one's result."""
    other = start_s3(tmp_path)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    try:
        with Site(first, s3, redis_server) as site, Site(second, other, redis_server) as another:
            site.put("two-sites.jpg", encode(Image.new("L", (900, 500), 0), "JPEG"))
            another.put("two-sites.jpg", encode(Image.new("L", (900, 500), 255), "JPEG"))
            answers = [each.get("/prew/card/two-sites.jpg") for each in (site, another)]
    finally:
        other.program.kill()

    assert [(answer.status, answer.headers["X-Preview"]) for answer in answers] == [(200, "made")] * 2
    assert answers[0].body != answers[1].body
