"""Further sources, each by the host of requests: other buckets, other keys, and nothing in common."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from devstack.nginx_server import Nginx, effective_environment
from devstack.programs import LOOPBACK, ProgramError, free_ports
from prewmanager.previews.signed_urls import SigningKey, signed_query
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import Answer, ask

KEY = SigningKey("a", "s" * 32)
SOURCES = {
    "PREW_SOURCES__SHOP__BUCKET": "the-shop",
    "PREW_SOURCES__SHOP__HOSTS": "Shop.test img.shop.test",
    "PREW_SOURCES__SHOP__KEYS": "/",
    "PREW_SOURCES__BLOG__BUCKET": "the-blog",
    "PREW_SOURCES__BLOG__HOSTS": "blog.test",
    "PREW_SOURCES__BLOG__KEYS": "media/2026",
    # A word of nginx's maps.
    "PREW_SOURCES__DEFAULT__BUCKET": "plain",
    "PREW_SOURCES__DEFAULT__HOSTS": "plain.test ::1",
}
MINIMAL = {"PREW_NGINX_S3_SERVER": "127.0.0.1:443", "PREW_NGINX_BUCKET_PATH": "/photos"}


@pytest.fixture(scope="module", name="purge_port")
def _purge_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module", name="nginx")
def _nginx(
    start: StartNginx, recorders: dict[str, str], purge_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Nginx:
    """Nginx with a cache, in front of the recorders; the preset large needs a signature, and hosts are listed."""
    keys: Path = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"{KEY.id}:{KEY.secret}\n")
    closed = {"PREW_NGINX_SIGNED": "large", "PREW_NGINX_SIGNING_KEYS_FILE": str(keys)}
    cache = {"PREW_NGINX_CACHE": "on", "PREW_NGINX_PURGE_LISTEN": f"{LOOPBACK}:{purge_port}"}
    return start({**recorders, **SOURCES, **closed, **cache, "PREW_NGINX_HOSTS": "previews.test"})


def _ask(nginx: Nginx, host: str, path: str) -> Answer:
    return ask(nginx.port, path, headers={"Host": host})


@pytest.mark.parametrize(
    ("host", "photo"),
    [
        ("previews.test", "/photos/photo/a.jpg"),
        ("shop.test", "/the-shop/a.jpg"),
        ("SHOP.test:8080", "/the-shop/a.jpg"),
        ("img.shop.test", "/the-shop/a.jpg"),
        ("blog.test", "/the-blog/media/2026/a.jpg"),
        ("plain.test", "/plain/photo/a.jpg"),
        ("plain.test.:8080", "/plain/photo/a.jpg"),
        ("[::1]:8080", "/plain/photo/a.jpg"),
    ],
)
def test_a_host_has_its_sources_bucket_and_keys(
    nginx: Nginx, bucket: Recorder, service: Recorder, host: str, photo: str
) -> None:
    bucket.respond = lambda _: Reply(404)
    _ask(nginx, host, "/photo/a.jpg")
    name = host.strip("[]").replace(":", "_").replace("]", "_")
    _ask(nginx, host, f"/prew/card/{name}.jpg")

    preview = f"/{photo.split('/')[1]}/prew/card/{name}.jpg"
    assert [seen.target for seen in bucket.seen] == [photo, preview]
    assert [seen.headers["Host"] for seen in service.seen] == [host.removesuffix(":8080").removesuffix(".").lower()]


def test_sources_share_no_entry_of_the_cache(nginx: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda seen: Reply(200, body=seen.target.encode())
    hosts = ["previews.test", "shop.test", "blog.test"]
    for path, places in (
        ("/photo/same.jpg", ["/photos/photo/same.jpg", "/the-shop/same.jpg", "/the-blog/media/2026/same.jpg"]),
        ("/prew/card/same.jpg", [f"/{each}/prew/card/same.jpg" for each in ("photos", "the-shop", "the-blog")]),
    ):
        for found in ("MISS", "HIT"):
            answers = [_ask(nginx, host, path) for host in hosts]
            assert [each.body.decode() for each in answers] == places
            assert [each.headers["X-Cache"] for each in answers] == [found] * 3


def test_a_purge_is_of_one_sources_copies(nginx: Nginx, bucket: Recorder, purge_port: int) -> None:
    bucket.respond = lambda seen: Reply(200, body=seen.target.encode())
    hosts, path = ["previews.test", "shop.test"], "/prew/card/purged.jpg"
    for body, found in (
        (b'{"keys": ["prew/card/purged.jpg"], "starts": [], "bucket": "the-shop"}', ["HIT", "MISS"]),
        (b'{"keys": [], "starts": ["prew/card/purged"]}', ["MISS", "HIT"]),
    ):
        for host in hosts:
            _ask(nginx, host, path)
        headers = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
        assert ask(purge_port, "/purge", "POST", headers, body).body == b'{"purged":1}\n'
        assert [_ask(nginx, host, path).headers["X-Cache"] for host in hosts] == found
    refused = b'{"keys": [], "starts": [], "bucket": "../x"}'
    assert ask(purge_port, "/purge", "POST", {**headers, "Content-Length": str(len(refused))}, refused).status == 400


def test_what_one_source_has_not_another_may_have(nginx: Nginx, bucket: Recorder, service: Recorder) -> None:
    bucket.respond = lambda seen: Reply(404 if "/photos/" in seen.target else 200, body=b"preview")

    assert _ask(nginx, "previews.test", "/prew/card/absent.jpg").body == b"from service"
    assert _ask(nginx, "shop.test", "/prew/card/absent.jpg").body == b"preview"
    assert len(service.seen) == 1


def test_a_signature_opens_an_object_of_its_source_alone(nginx: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(200, body=b"preview")
    path = "/prew/large/signed.jpg"
    hosts = {"": "previews.test", "shop": "shop.test", "blog": "blog.test"}
    for source in hosts:
        query = signed_query(path[1:], int(time.time()) + 60, KEY, "prew", source)
        statuses = {other: _ask(nginx, host, f"{path}?{query}").status for other, host in hosts.items()}
        assert statuses == {other: 200 if other == source else 403 for other in hosts}


def test_previews_at_a_sources_root_are_no_photos_of_that_source(nginx: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(200, body=b"photo")
    paths = ["/photo/prew/large/b.jpg", "/photo/prew%5clarge/b.jpg", "/photo//prew/large/b.jpg"]

    assert [_ask(nginx, "shop.test", path).status for path in paths] == [404] * 3
    assert bucket.seen == []
    assert [_ask(nginx, "previews.test", path).status for path in paths[:2]] == [200] * 2


def test_a_foreign_host_is_refused_and_a_sources_is_not(nginx: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(200, body=b"photo")

    assert [_ask(nginx, host, "/photo/c.jpg").status for host in ("evil.test", "plain.test")] == [421, 200]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"PREW_NGINX_BUCKET_PATH": ""}, "PREW_SOURCES__BLOG__BUCKET needs PREW_NGINX_BUCKET_PATH"),
        ({"PREW_SOURCES__SHOP__BUCKET": "photos"}, "PREW_SOURCES__SHOP__BUCKET=photos is another source's too"),
        ({"PREW_SOURCES__SHOP__BUCKET": "the-blog"}, "PREW_SOURCES__SHOP__BUCKET=the-blog is another source's too"),
        ({"PREW_SOURCES__SHOP__BUCKET": "a/b"}, "PREW_SOURCES__SHOP__BUCKET must be a bucket's name"),
        ({"PREW_SOURCES__SHOP__HOSTS": ""}, "PREW_SOURCES__SHOP__HOSTS is required"),
        ({"PREW_SOURCES__SHOP__HOSTS": "a_b;"}, "PREW_SOURCES__SHOP__HOSTS must be names without ports"),
        ({"PREW_SOURCES__SHOP__HOSTS": "abc.de:80"}, "PREW_SOURCES__SHOP__HOSTS must be names without ports"),
        ({"PREW_SOURCES__SHOP__HOSTS": "[::1]"}, "PREW_SOURCES__SHOP__HOSTS has \\[::1\\], which is of another"),
        ({"prew_sources__news__bucket": "news"}, "prew_sources__news__bucket must be in capitals"),
        ({"PREW_SOURCES__SHOP__HOSTS": "BLOG.test"}, "PREW_SOURCES__SHOP__HOSTS has blog.test, which is of another"),
        ({"PREW_SOURCES__SHOP__KEYS": "a//b"}, "PREW_SOURCES__SHOP__KEYS must be the beginning of keys"),
        ({"PREW_SOURCES__SHOP__KEYS": "prew/x"}, "PREW_SOURCES__SHOP__KEYS: there are the previews"),
        ({"PREW_SOURCES": '{"shop": {}}'}, "PREW_SOURCES must be set field by field"),
    ],
)
@pytest.mark.fault("settings-invalid")
def test_a_wrong_source_stops_the_start_with_its_name_and_the_fix(changed: dict[str, str], named: str) -> None:
    with pytest.raises(ProgramError, match=named):
        effective_environment({**MINIMAL, **SOURCES, **changed})
