"""The server of the local system's page, where what is behind it is not there."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from devstack.backends import S3
from devstack.page.copies import Copies, NoPhoto
from devstack.page.herd import fire
from devstack.page.server import make_app

NOBODY = "http://127.0.0.1:1"


@pytest.fixture(name="copies")
def _copies(s3: S3) -> Copies:
    """Of a bucket that has nothing under these prefixes."""
    return Copies(s3, "no-photos", "no-previews")


@pytest.mark.parametrize("path", ["/", "/presets/main.js", "/presets/facts", "/presets/flights"])
async def test_without_a_replica_it_says_so(copies: Copies, path: str) -> None:
    """502, and it asks again at the next request."""
    async with TestClient(TestServer(await make_app([NOBODY], NOBODY, copies))) as client:
        answer = await client.get(path)

        assert (answer.status, await answer.text()) == (502, "no replica of the service answers")


async def test_answers_that_never_came_are_answers() -> None:
    """Each of them with the status 0, so that none is missing in the picture."""
    answered = [each async for each in fire(URL(NOBODY), 3)]

    assert [(each.status, each.source, each.replica) for each in answered] == [(0, "", "")] * 3


async def test_without_photos_there_is_nothing_to_copy(copies: Copies) -> None:
    """A named error, and nothing in the bucket."""
    with pytest.raises(NoPhoto):
        async with copies.fresh("card"):
            pass
