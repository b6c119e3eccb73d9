"""Two sites whose buckets, in different stores, have one name, and which share a Redis."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from devstack.backends import S3, Redis, start_s3
from tests.lambda_resize.pictures import encode
from tests.support.site import Site


@pytest.mark.fault("two-sites-one-redis")
async def test_each_site_has_its_own_picture(s3: S3, redis_server: Redis, tmp_path: Path) -> None:
    """Both are requested at the same time: a common key would make one wait for the other's result."""
    other = start_s3(tmp_path)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    try:
        with Site(first, s3, redis_server) as site, Site(second, other, redis_server) as another:
            site.put("two-sites.jpg", encode(Image.new("L", (900, 500), 0), "JPEG"))
            another.put("two-sites.jpg", encode(Image.new("L", (900, 500), 255), "JPEG"))
            bursts = await asyncio.gather(*(each.burst("/prew/card/two-sites.jpg", 10) for each in (site, another)))
    finally:
        other.program.kill()

    assert [{status for status, _, _ in burst} for burst in bursts] == [{200}] * 2
    first_bodies, second_bodies = ({body for _, _, body in burst} for burst in bursts)
    assert len(first_bodies) == len(second_bodies) == 1
    assert first_bodies != second_bodies
