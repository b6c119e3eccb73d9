"""The contact sheet on the service's own port, and the local system's page in front of it, with real programs."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator

import pytest
from aiohttp import ClientSession, StreamReader
from PIL import Image
from redis import Redis as RedisClient

from devstack.backends import S3, Redis, s3_client
from devstack.lambda_server import Lambda
from devstack.programs import LOOPBACK
from prewmanager.adapters.redis.relay import RELAY_CHANNEL
from prewmanager.config.names import namespace_of
from prewmanager_presets import Preset
from tests.lambda_resize.pictures import encode
from tests.support.asking import Answer, ask
from tests.support.fakes import until_reported
from tests.support.page import page_site
from tests.support.site import Site

HOSTILE = "<img src=x onerror=alert(1)>.jpg"


@pytest.fixture(scope="module", name="shown")
def _shown(s3: S3, redis_server: Redis, function: Lambda, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with page_site(tmp_path_factory.mktemp("shown"), s3, redis_server, function) as site:
        yield site


@pytest.fixture(name="photo")
def _photo(shown: Site) -> Iterator[str]:
    """A photo whose name is HTML; other tests leave theirs in the bucket."""
    shown.put(f"sheet/{HOSTILE}", encode(Image.new("RGB", (800, 600), "teal"), "JPEG"))
    yield f"sheet/{HOSTILE}"
    s3_client(shown.s3).delete_object(Bucket=shown.s3.bucket, Key=f"photo/sheet/{HOSTILE}")


async def _until_completed(stream: StreamReader, key: str) -> tuple[str, str]:
    """Read reports until a flight of this preview has completed; return its replica and its outcome."""
    async for line in stream:
        if line.startswith(b"data: "):
            report = json.loads(line.removeprefix(b"data: "))
            for flight in report["completed"]:
                if flight["preview"] == key:
                    return report["replica"], flight["outcome"]
    raise AssertionError("the stream has ended")


def _ask_replica(site: Site, path: str) -> Answer:
    return ask(site.ports[0], f"/-/presets{path}")


def test_facts_list_presets_without_defaults_and_with_fingerprints(shown: Site) -> None:
    facts = json.loads(_ask_replica(shown, "/facts").body)

    assert [preset["name"] for preset in facts["presets"]] == ["card", "square", "thumb"]
    assert facts["presets"][0] == {
        "name": "card",
        "definition": {"width": 720},
        "fingerprints": {"card": Preset(width=720).fingerprint},
    }
    assert "burst" not in facts


def test_the_page_serves_its_files_with_type_and_policy_and_nothing_else(shown: Site) -> None:
    page, script = _ask_replica(shown, ""), _ask_replica(shown, "/main.js")

    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert script.headers["X-Content-Type-Options"] == "nosniff"
    assert _ask_replica(shown, "/none.js").status == 404
    assert ask(shown.ports[0], "/-/presets", "POST").status == 405


def test_photos_are_found_by_name_and_invalid_parameters_are_bad_requests(shown: Site, photo: str) -> None:
    found = _ask_replica(shown, "/photos?prefix=sheet/&search=ALERT")

    assert [each["name"] for each in json.loads(found.body)["photos"]] == [photo]
    assert found.headers["Content-Type"] == "application/json; charset=utf-8"
    assert _ask_replica(shown, "/photos?cursor=nonsense").status == 400
    assert _ask_replica(shown, f"/photos?prefix={'x' * 1025}").status == 400


@pytest.mark.parametrize("path", ["/-/presets", "/-/presets/facts", "/-/presets/flights"])
def test_nginx_serves_nothing_of_the_contact_sheet(shown: Site, path: str) -> None:
    assert shown.get(path).status == 404


@pytest.mark.parametrize("path", ["/-/presets/facts", "/-/able", "/-/fingerprints", "/readyz", "/healthz", "/metrics"])
def test_what_a_replica_says_of_itself_has_no_credential(shown: Site, redis_server: Redis, path: str) -> None:
    answer = ask(shown.ports[0], path)
    credentials = {value for name, value in shown.environment.items() if "SECRET" in name or "ACCESS_KEY" in name}

    assert answer.status == 200
    assert credentials
    assert not any(each in answer.body.decode() for each in {*credentials, redis_server.url})


async def test_viewers_of_one_replica_receive_the_flights_of_another(shown: Site) -> None:
    key = f"prew/card/sheet/none-{os.getpid()}.jpg"
    async with ClientSession() as session:
        address = f"http://{LOOPBACK}:{shown.ports[0]}/-/presets/flights"
        async with session.get(address) as one, session.get(address) as two:
            assert one.headers["Content-Type"] == "text/event-stream"
            await _until_both_report(one.content)
            other = await asyncio.to_thread(ask, shown.ports[1], f"/{key}")
            received = [await _until_completed(stream.content, key) for stream in (one, two)]

    assert received == [(other.headers["X-Replica"], "missing")] * 2


def _reports(redis: RedisClient, channel: str, site: Site, *, until: int) -> int:
    """Return how many reports Redis gets of forty misses at two replicas; listen until there are so many."""
    with redis.monitor() as monitor:  # type: ignore[no-untyped-call]  # redis-py annotates only some
        for number in range(40):
            ask(site.ports[number % 2], f"/prew/card/sheet/nobody-{time.time_ns()}.jpg")
        redis.echo("the end")
        reports, ended = 0, False
        for command in monitor.listen():
            ended = ended or "ECHO the end" in str(command["command"])
            reports += channel in str(command["command"]) and "completed" in str(command["command"])
            if ended and reports >= until:
                return reports
    raise AssertionError("the monitor has ended")


async def test_replicas_write_about_their_flights_to_redis_only_while_somebody_watches(
    shown: Site, redis_server: Redis
) -> None:
    channel = f"{RELAY_CHANNEL}{namespace_of(shown.s3.bucket, shown.s3.endpoint)}"
    with RedisClient.from_url(redis_server.url) as redis:
        await until_reported(lambda: _reports(redis, channel, shown, until=0) == 0)  # the viewers before have left
        alone = [await asyncio.to_thread(_reports, redis, channel, shown, until=0) for _ in range(10)]
        async with ClientSession() as session:
            address = f"http://{LOOPBACK}:{shown.ports[0]}/-/presets/flights"
            async with session.get(address) as stream:
                await _until_both_report(stream.content)
                watched = await asyncio.to_thread(_reports, redis, channel, shown, until=2)

    assert (sum(alone), watched >= 2) == (0, True)


async def _until_both_report(stream: StreamReader) -> None:
    """Return when both replicas know that somebody watches."""
    seen = set[str]()
    while len(seen) < 2:
        await stream.readuntil(b"data: ")
        seen.add(json.loads(await stream.readline())["replica"])


def test_the_local_page_forwards_a_replicas_files_and_photos_and_offers_bursts(shown: Site, photo: str) -> None:
    facts = json.loads(shown.get("/presets/facts").body)

    assert shown.get("/").body == _ask_replica(shown, "").body
    assert shown.get("/presets/sheet.css").body == _ask_replica(shown, "/sheet.css").body
    assert (facts["burst"]["path"], facts["photos_served"]) == ("/burst", True)
    found = json.loads(shown.get("/presets/photos?prefix=sheet/").body)["photos"]
    assert [each["name"] for each in found] == [photo]


@pytest.mark.usefixtures("photo")
def test_a_burst_renders_one_preview_and_leaves_neither_copy_nor_preview(shown: Site) -> None:
    largest = encode(Image.effect_noise((2000, 1500), 90), "JPEG", quality=95)
    shown.put("the-largest.jpg", largest)  # is copied instead of one that another test has damaged
    answer = shown.get("/burst?preset=card&count=50", headers={"X-Burst": "1"})
    answers = [json.loads(line) for line in answer.body.splitlines()]

    assert [each["status"] for each in answers] == [200] * 50
    assert [each["source"] for each in answers].count("made") == 1
    assert len({each["replica"] for each in answers if each["source"]}) == 2
    client = s3_client(shown.s3)
    for prefix in ("photo/.burst/", "prew/card/.burst/"):
        assert "Contents" not in client.list_objects_v2(Bucket=shown.s3.bucket, Prefix=prefix)


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("preset=card&count=5", {}, 403),
        ("preset=none&count=5", {"X-Burst": "1"}, 400),
        ("preset=card&count=0", {"X-Burst": "1"}, 400),
        ("preset=card&count=501", {"X-Burst": "1"}, 400),
        ("preset=card&count=many", {"X-Burst": "1"}, 400),
    ],
)
def test_a_burst_with_bad_parameters_is_refused(shown: Site, query: str, headers: dict[str, str], status: int) -> None:
    assert shown.get(f"/burst?{query}", headers=headers).status == status
