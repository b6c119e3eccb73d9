"""What S3 is asked for a miss, request by request."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from devstack.backends import Redis
from devstack.lambda_server import Lambda
from tests.lambda_resize.pictures import encode
from tests.support.fakes import until_reported
from tests.support.private_listing import PrivateListing
from tests.support.site import Site


@pytest.mark.parametrize("workers", [False, True])
async def test_a_miss_is_five_requests_and_its_answer_waits_for_three(
    counted_s3: PrivateListing, function_of_counted_s3: Lambda, redis_server: Redis, tmp_path: Path, *, workers: bool
) -> None:
    """nginx's, then those of photo and preview at once, then the write; the photo's check follows the answer."""
    function, folder = (None, "workers") if workers else (function_of_counted_s3, "lambda")
    with Site(tmp_path, counted_s3.s3, redis_server, function) as site:
        for name in ("first", "second", "miss"):
            site.put(f"{folder}/{name}.jpg", encode(Image.new("RGB", (900, 600), "teal"), "JPEG"))
        for name in ("first", "second"):  # the function says what it can, the store that it shows at once what it has
            assert site.get(f"/prew/card/{folder}/{name}.jpg").status == 200
        checks, last = (f"HEAD /{counted_s3.s3.bucket}/photo/{folder}/{name}.jpg" for name in ("miss", "second"))
        await until_reported(lambda: counted_s3.requests[last] == 1)
        before = Counter(counted_s3.requests)
        answer = site.get(f"/prew/card/{folder}/miss.jpg")
        await until_reported(lambda: counted_s3.requests[checks] == 1)
        asked = counted_s3.requests - before

    assert answer.headers["X-Preview"] == "made"
    root = f"/{counted_s3.s3.bucket}"
    assert asked == {
        f"GET {root}/prew/card/{folder}/miss.jpg": 2,
        f"GET {root}/photo/{folder}/miss.jpg": 1,
        f"PUT {root}/prew/card/{folder}/miss.jpg": 1,
        checks: 1,
    }
