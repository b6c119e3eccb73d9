"""The requests that caches get, by their documented purge APIs, recorded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import ClientSession

from devstack.programs import LOOPBACK
from prewmanager.adapters.purges.cloudflare import MOST_TAGS, Cloudflare
from prewmanager.adapters.purges.fastly import MOST_KEYS, Fastly
from prewmanager.adapters.purges.http import open_session
from prewmanager.adapters.purges.nginx import Nginx
from prewmanager.errors import CacheUnavailable
from prewmanager.purging.copies import Copies
from prewmanager.purging.ports import Cache
from tests.nginx.recorder import Recorder, Reply, recording

TOKEN = "a-secret-token"
COPIES = Copies(("photo-1", "preset-card"), ("/prew/card/a.jpg",), (), ("prew/card/ü.jpg",), ("prew/thumb/",))


@pytest.fixture(name="api")
def _api() -> Iterator[Recorder]:
    with recording("api") as recorder:
        recorder.respond = lambda _: Reply(200, b'{"success": true, "purged": 1}')
        yield recorder


@pytest.fixture(name="http")
async def _http() -> AsyncIterator[ClientSession]:
    async with open_session() as http:
        yield http


def _caches(http: ClientSession, api: Recorder) -> dict[str, Cache]:
    url = f"http://{api.address}"
    return {
        "cloudflare": Cloudflare(http, "023e105f4ecef8ad", token=TOKEN, url=f"{url}/client/v4"),
        "fastly": Fastly(http, "SU1Z0isxPaozGVKXdv0eY", token=TOKEN, url=url),
        "nginx": Nginx(http, LOOPBACK, int(api.address.rpartition(":")[2])),
        "nginx, of a source": Nginx(http, LOOPBACK, int(api.address.rpartition(":")[2]), "the-shop"),
    }


@pytest.mark.parametrize(
    ("name", "target", "header", "body"),
    [
        (
            "cloudflare",
            "/client/v4/zones/023e105f4ecef8ad/purge_cache",
            ("Authorization", f"Bearer {TOKEN}"),
            {"tags": ["photo-1", "preset-card"]},
        ),
        (
            "fastly",
            "/service/SU1Z0isxPaozGVKXdv0eY/purge",
            ("Fastly-Key", TOKEN),
            {"surrogate_keys": ["photo-1", "preset-card"]},
        ),
        (
            "nginx",
            "/purge",
            ("Content-Type", "application/json"),
            {"keys": ["prew/card/ü.jpg"], "starts": ["prew/thumb/"]},
        ),
        (
            "nginx, of a source",
            "/purge",
            ("Content-Type", "application/json"),
            {"keys": ["prew/card/ü.jpg"], "starts": ["prew/thumb/"], "bucket": "the-shop"},
        ),
    ],
)
async def test_each_cache_gets_what_it_knows(  # noqa: PLR0917 -- fixtures and cases
    http: ClientSession, api: Recorder, name: str, target: str, header: tuple[str, str], body: object
) -> None:
    await _caches(http, api)[name].purge(COPIES)
    (seen,) = api.seen

    assert (seen.method, seen.target) == ("POST", target)
    assert seen.headers[header[0]] == header[1]
    assert seen.headers["Content-Type"] == "application/json"
    assert json.loads(seen.body) == body


@pytest.mark.parametrize(
    ("name", "most", "member"), [("cloudflare", MOST_TAGS, "tags"), ("fastly", MOST_KEYS, "surrogate_keys")]
)
async def test_no_request_has_more_tags_than_the_api_accepts(
    http: ClientSession, api: Recorder, name: str, most: int, member: str
) -> None:
    tags = [f"photo-{number}" for number in range(most + 1)]
    await _caches(http, api)[name].purge(Copies(tuple(tags)))

    assert [json.loads(seen.body)[member] for seen in api.seen] == [tags[:most], tags[most:]]


@pytest.mark.fault("cache-away")
@pytest.mark.parametrize("name", ["cloudflare", "fastly", "nginx"])
@pytest.mark.parametrize(
    "reply", [Reply(429, b"slow down"), Reply(500), Reply(302, b"", {"Location": "/"}), Reply(200, b"<html>"), None]
)
async def test_any_other_answer_is_an_error_without_the_token(
    http: ClientSession, api: Recorder, name: str, reply: Reply | None
) -> None:
    api.respond = lambda _: reply
    with pytest.raises(CacheUnavailable, match=name) as caught:
        await _caches(http, api)[name].purge(COPIES)

    assert TOKEN not in str(caught.value)


async def test_cloudflare_may_refuse_with_200(http: ClientSession, api: Recorder) -> None:
    api.respond = lambda _: Reply(200, b'{"success": false, "errors": [{"code": 1107, "message": "not on this plan"}]}')
    with pytest.raises(CacheUnavailable, match="not on this plan"):
        await _caches(http, api)["cloudflare"].purge(COPIES)


@pytest.mark.fault("cache-away")
async def test_a_name_without_address_is_an_error(http: ClientSession) -> None:
    with pytest.raises(CacheUnavailable, match=r"nginx:none\.invalid:8081: the name has no address"):
        await Nginx(http, "none.invalid", 8081).purge(COPIES)
