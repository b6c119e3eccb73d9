"""The contact sheet on the service's own port, and the local system's page in front of it, with real programs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, StreamReader
from PIL import Image
from redis import Redis as RedisClient

from devstack.backends import S3, Redis, s3_client
from devstack.lambda_server import Lambda
from devstack.programs import LOOPBACK, Program, answers, free_ports
from prewmanager.adapters.redis.relay import RELAY_CHANNEL
from tests.support.asking import Answer, ask
from tests.support.fakes import until_reported
from tests.support.site import Site

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<img src=x onerror=alert(1)>.jpg"


@pytest.fixture(scope="module", name="shown")
def _shown(s3: S3, redis_server: Redis, function: Lambda, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two replicas with the sheet on, and the page's server at nginx's root."""
    folder, port = tmp_path_factory.mktemp("shown"), free_ports(1)[0]
    variables = {"PREW_NGINX_WWW": f"http://{LOOPBACK}:{port}"}
    settings = {"PREW_CONTACT_SHEET": "true"}
    with Site(folder, s3, redis_server, function, replicas=2, settings=settings, nginx_variables=variables) as site:
        services = [f"--service=http://{LOOPBACK}:{each}" for each in site.ports]
        argv = [sys.executable, "-m", "devstack.page", f"--port={port}", f"--nginx={site.nginx.url}", *services]
        environment = os.environ | s3.aws_environment() | {"PREW_SOURCE_BUCKET": s3.bucket}
        page = Program("page", argv, folder / "page.log", environment, cwd=ROOT)
        page.wait_ready(lambda: answers(port))
        yield site
        page.stop()


@pytest.fixture(name="photo")
def _photo(shown: Site) -> Iterator[str]:
    """A photo whose name would like to be HTML; all others of the bucket are older tests' affair."""
    file = BytesIO()
    Image.new("RGB", (800, 600), "teal").save(file, "JPEG")
    shown.put(f"sheet/{HOSTILE}", file.getvalue())
    yield f"sheet/{HOSTILE}"
    s3_client(shown.s3).delete_object(Bucket=shown.s3.bucket, Key=f"photo/sheet/{HOSTILE}")


async def _events(content: StreamReader) -> AsyncIterator[dict[str, Any]]:
    async for line in content:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


def _of_service(site: Site, path: str) -> Answer:
    return ask(site.ports[0], f"/-/presets{path}")


def test_presets_with_definition_and_fingerprint(shown: Site) -> None:
    """As the environment has them, fields at their defaults left out."""
    facts = json.loads(_of_service(shown, "/facts").body)

    assert [preset["name"] for preset in facts["presets"]] == ["card", "square", "thumb"]
    assert facts["presets"][0] == {
        "name": "card",
        "definition": {"width": 720},
        "fingerprints": {"card": "3ad352d9f8a5"},
    }
    assert "herd" not in facts


def test_the_page_may_load_its_own_files_alone(shown: Site) -> None:
    """Each file has its type and the policy; what is no file of it is not there."""
    page, script = _of_service(shown, ""), _of_service(shown, "/main.js")

    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert script.headers["X-Content-Type-Options"] == "nosniff"
    assert _of_service(shown, "/none.js").status == 404
    assert ask(shown.ports[0], "/-/presets", "POST").status == 405


def test_photos_as_they_are_called(shown: Site, photo: str) -> None:
    """A name is data in JSON, whatever is in it; a cursor that is none of ours is a bad request."""
    found = _of_service(shown, "/photos?prefix=sheet/&search=ALERT")

    assert [each["name"] for each in json.loads(found.body)["photos"]] == [photo]
    assert found.headers["Content-Type"] == "application/json; charset=utf-8"
    assert _of_service(shown, "/photos?cursor=nonsense").status == 400
    assert _of_service(shown, f"/photos?prefix={'x' * 1025}").status == 400


@pytest.mark.parametrize("path", ["/-/presets", "/-/presets/facts", "/-/presets/flights"])
def test_nothing_of_it_comes_through_nginx(shown: Site, path: str) -> None:
    """It is for the inside, like the metrics."""
    assert shown.get(path).status == 404


async def test_flights_of_all_replicas_as_they_happen(shown: Site, redis_server: Redis) -> None:
    """Two viewers at one replica are told of a flight at the other, from who waits to how it ended."""
    key, channel = f"prew/card/sheet/none-{os.getpid()}.jpg", f"{RELAY_CHANNEL}{shown.s3.bucket}"
    async with ClientSession() as session:
        address = f"http://{LOOPBACK}:{shown.ports[0]}/-/presets/flights"
        async with session.get(address) as one, session.get(address) as two:
            assert one.headers["Content-Type"] == "text/event-stream"
            streams = [_events(stream.content) for stream in (one, two)]
            seen: list[list[dict[str, Any]]] = [[], []]
            with RedisClient.from_url(redis_server.url) as redis:
                await until_reported(lambda: redis.pubsub_numsub(channel)[0][1] == 1)
            other = await asyncio.to_thread(ask, shown.ports[1], f"/{key}")
            for stream, reports in zip(streams, seen, strict=True):
                while not any(result["preview"] == key for report in reports for result in report["landed"]):
                    reports.append(await anext(stream))

    result = [(report["replica"], each["outcome"]) for report in seen[1] for each in report["landed"]]
    assert result == [(other.headers["X-Replica"], "missing")]


def test_the_local_page_is_the_services(shown: Site, photo: str) -> None:
    """At nginx's root, with the same files, facts that also offer a herd, and photos by the same search."""
    facts = json.loads(shown.get("/presets/facts").body)

    assert shown.get("/").body == _of_service(shown, "").body
    assert shown.get("/presets/sheet.css").body == _of_service(shown, "/sheet.css").body
    assert (facts["herd"]["path"], facts["photo_links"]) == ("/herd", True)
    found = json.loads(shown.get("/presets/photos?prefix=sheet/").body)["photos"]
    assert [each["name"] for each in found] == [photo]


@pytest.mark.usefixtures("photo")
def test_a_herd_makes_one_preview(shown: Site) -> None:
    """Each answer tells how it came, and from which replica; neither copy nor preview is left."""
    file = BytesIO()
    Image.effect_noise((2000, 1500), 90).save(file, "JPEG", quality=95)
    shown.put("the-largest.jpg", file.getvalue())  # so that it is copied, and none that another test has damaged
    answer = shown.get("/herd?preset=card&count=50", headers={"X-Herd": "1"})
    answered = [json.loads(line) for line in answer.body.splitlines()]
    by_source = [each["source"] for each in answered]

    assert [each["status"] for each in answered] == [200] * 50
    assert by_source.count("made") == 1
    assert len({each["replica"] for each in answered if each["source"]}) == 2
    client = s3_client(shown.s3)
    for prefix in ("photo/.herd/", "prew/card/.herd/"):
        assert "Contents" not in client.list_objects_v2(Bucket=shown.s3.bucket, Prefix=prefix)


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("preset=card&count=5", {}, 403),
        ("preset=none&count=5", {"X-Herd": "1"}, 400),
        ("preset=card&count=0", {"X-Herd": "1"}, 400),
        ("preset=card&count=501", {"X-Herd": "1"}, 400),
        ("preset=card&count=many", {"X-Herd": "1"}, 400),
    ],
)
def test_a_herd_is_asked_for_in_one_way(shown: Site, query: str, headers: dict[str, str], status: int) -> None:
    """By the page itself, with a preset that there is and a number that may be."""
    assert shown.get(f"/herd?{query}", headers=headers).status == status
