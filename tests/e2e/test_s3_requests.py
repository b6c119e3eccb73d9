"""What S3 is asked for a miss, request by request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda
from tests.lambda_resize.pictures import encode
from tests.support.fakes import until_reported
from tests.support.private_listing import PrivateListing, private_listing
from tests.support.site import Site, start_function


@pytest.fixture(name="counted")
def _counted(s3: S3) -> Iterator[PrivateListing]:
    with private_listing(s3, lists=True) as proxy:
        yield proxy


@pytest.fixture(name="its_function")
def _its_function(counted: PrivateListing, tmp_path: Path) -> Iterator[Lambda]:
    function = start_function(counted.s3, tmp_path)
    yield function
    function.program.kill()


@pytest.mark.parametrize("workers", [False, True])
async def test_a_miss_is_five_requests_and_its_answer_waits_for_three(
    counted: PrivateListing, its_function: Lambda, redis_server: Redis, tmp_path: Path, *, workers: bool
) -> None:
    """nginx's, then those of photo and preview at once, then the write; the photo's check follows the answer."""
    function, folder = (None, "workers") if workers else (its_function, "lambda")
    with Site(tmp_path, counted.s3, redis_server, function) as site:
        for name in ("first", "second", "miss"):
            site.put(f"{folder}/{name}.jpg", encode(Image.new("RGB", (900, 600), "teal"), "JPEG"))
        for name in ("first", "second"):  # the function says what it can, the store that it shows at once what it has
            assert site.get(f"/prew/card/{folder}/{name}.jpg").status == 200
        checks, last = (f"HEAD /{counted.s3.bucket}/photo/{folder}/{name}.jpg" for name in ("miss", "second"))
        await until_reported(lambda: counted.requests[last] == 1)
        before = Counter(counted.requests)
        answer = site.get(f"/prew/card/{folder}/miss.jpg")
        await until_reported(lambda: counted.requests[checks] == 1)
        asked = counted.requests - before

    assert answer.headers["X-Preview"] == "made"
    root = f"/{counted.s3.bucket}"
    assert asked == {
        f"GET {root}/prew/card/{folder}/miss.jpg": 2,
        f"GET {root}/photo/{folder}/miss.jpg": 1,
        f"PUT {root}/prew/card/{folder}/miss.jpg": 1,
        checks: 1,
    }
