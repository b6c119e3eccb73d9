"""What S3 is asked for a miss, request by request."""

from __future__ import annotations

import asyncio
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
@pytest.mark.parametrize("answer_first", [False, True])
async def test_a_miss_is_five_requests_and_its_answer_waits_for_two_or_three(
    counted_s3: PrivateListing,
    function_of_counted_s3: Lambda,
    redis_server: Redis,
    tmp_path: Path,
    *,
    workers: bool,
    answer_first: bool,
) -> None:
    """nginx's, then those of photo and preview at once; the write may follow the answer, and the photo's check does.

    A worker reports whether it has written; of Lambda's write S3 is asked once more, when it must be there.
    """
    function, folder = (None, "workers") if workers else (function_of_counted_s3, "lambda")
    folder = f"{folder}-{answer_first}"
    settings = {"PREW_ANSWER_FIRST": str(answer_first)}
    with Site(tmp_path, counted_s3.s3, redis_server, function, settings=settings) as site:
        for name in ("first", "second", "miss"):
            site.put(f"{folder}/{name}.jpg", encode(Image.new("RGB", (900, 600), "teal"), "JPEG"))
        for name in ("first", "second"):  # the function says what it can, the store that it shows at once what it has
            assert site.get(f"/prew/card/{folder}/{name}.jpg").status == 200
        root, preview = f"/{counted_s3.s3.bucket}", f"prew/card/{folder}/miss.jpg"
        checks, last = (f"HEAD {root}/photo/{folder}/{name}.jpg" for name in ("miss", "second"))
        await until_reported(lambda: counted_s3.requests[last] == 1)
        before = Counter(counted_s3.requests)
        counted_s3.held.add(f"PUT {preview}")
        miss = asyncio.create_task(asyncio.to_thread(site.get, f"/{preview}"))
        await until_reported(lambda: counted_s3.requests[f"PUT {root}/{preview}"] == 1)
        if answer_first:
            answer = await miss
            assert site.stored(preview) is None
            again = await asyncio.to_thread(site.get, f"/{preview}")
            assert (again.body, again.headers["Cache-Control"]) == (answer.body, "no-store")
        counted_s3.held.clear()
        answer = await miss
        await until_reported(lambda: counted_s3.requests[checks] == 1)
        asked_again = f"HEAD {root}/{preview}"
        if answer_first and not workers:
            await until_reported(lambda: counted_s3.requests[asked_again] == 1)
        asked = Counter({what: n for what, n in (counted_s3.requests - before).items() if what.endswith("miss.jpg")})

    assert (answer.status, answer.headers["X-Preview"]) == (200, "made")
    assert ("ETag" in answer.headers) is not answer_first
    assert asked == Counter(
        {
            f"GET {root}/{preview}": 2,
            f"GET {root}/photo/{folder}/miss.jpg": 1,
            f"PUT {root}/{preview}": 1,
            checks: 1,
        }
    ) + Counter({f"GET {root}/{preview}": 2 * answer_first, asked_again: answer_first and not workers})
