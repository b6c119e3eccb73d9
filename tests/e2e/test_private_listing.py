"""Public objects and a private listing, the first source system's own setup: S3 answers 403 to what is missing."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from redis.asyncio import Redis as RedisClient

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda
from tests.e2e.test_statuses import check
from tests.support.private_listing import PrivateListing, private_listing
from tests.support.site import Site, start_function


@pytest.fixture(name="listing", scope="module")
def _listing(s3: S3) -> Iterator[PrivateListing]:
    with private_listing(s3) as listing:
        yield listing


@pytest.fixture(name="its_function", scope="module")
def _its_function(listing: PrivateListing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    function = start_function(listing.s3, tmp_path_factory.mktemp("its-function"))
    yield function
    function.program.kill()


@pytest.fixture(name="private_site")
def _private_site(listing: PrivateListing, its_function: Lambda, redis_server: Redis, tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path, listing.s3, redis_server, its_function) as site:
        yield site


@pytest.mark.fault("s3-private-listing")
async def test_a_missing_photo_is_404_and_one_invocation_where_listings_are_denied(
    private_site: Site, redis_server: Redis, its_function: Lambda
) -> None:
    path = "/prew/card/hidden/none.jpg"
    statuses = {status for status, _, _ in await private_site.burst(path, 50)}
    check(await asyncio.to_thread(private_site.get, path), 404, "missing")
    async with RedisClient.from_url(redis_server.url) as redis:
        (key,) = [key async for key in redis.scan_iter("prew:flight:*/hidden/none.jpg@*")]
        cached_s = await redis.ttl(key)
    hidden = private_site.metric("prewmanager_flights_total", private_site.ports[0], outcome="hidden")

    assert statuses == {404}
    assert (its_function.stats()["invocations"], hidden > 0) == (1, True)
    assert 0 <= cached_s <= 10


@pytest.mark.fault("s3-private-listing")
def test_a_photo_is_rendered_once_and_found_where_listings_are_denied(private_site: Site) -> None:
    photo = io.BytesIO()
    Image.new("RGB", (900, 600)).save(photo, "JPEG")
    private_site.put("hidden/there.jpg", photo.getvalue())
    answer = private_site.get("/prew/card/hidden/there.jpg")

    assert (answer.status, answer.headers["X-Preview"]) == (200, "made")
    assert private_site.written("prew/card/hidden/there.jpg")["ContentType"] == "image/jpeg"
