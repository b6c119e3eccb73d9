"""The server of the local system's page, without replicas and without photos."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from devstack.backends import S3
from devstack.page.burst import send
from devstack.page.copies import Copies, NoPhoto
from devstack.page.server import make_app

NOBODY = "http://127.0.0.1:1"


@pytest.fixture(name="copies")
def _copies(s3: S3) -> Copies:
    """Copies, in a bucket without photos and previews."""
    return Copies(s3, "no-photos/", "no-previews")


@pytest.mark.parametrize("path", ["/", "/presets/main.js", "/presets/facts", "/presets/flights"])
async def test_without_a_replica_the_page_answers_bad_gateway(copies: Copies, path: str) -> None:
    async with TestClient(TestServer(await make_app([NOBODY], NOBODY, copies))) as client:
        answer = await client.get(path)

        assert (answer.status, await answer.text()) == (502, "no replica responds")


async def test_a_burst_yields_an_answer_of_status_0_for_each_failed_request() -> None:
    answers = [each async for each in send(URL(NOBODY), 3)]

    assert [(each.status, each.source, each.replica) for each in answers] == [(0, "", "")] * 3


async def test_without_photos_there_is_nothing_to_copy(copies: Copies) -> None:
    with pytest.raises(NoPhoto):
        async with copies.fresh("card"):
            pass
