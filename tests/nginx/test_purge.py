"""The purge port of nginx's cache, and the tags that nginx repeats for CDNs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from devstack.backends import S3
from devstack.nginx_server import Nginx, effective_environment
from devstack.programs import LOOPBACK, ProgramError, free_ports
from tests.nginx.conftest import Put, StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import ask

TAGS = "photo-0123456789abcdef0123,preset-card"
ODD = "クズ箱/a b+c%.jpg"
JSON = {"Content-Type": "application/json"}
HOSTILE_BODIES = [b"", b"{", b"[]", b'{"keys": "prew/card/a.jpg", "starts": []}', b'{"keys": [1], "starts": []}']


@pytest.fixture(scope="module", name="port")
def _port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module", name="purged")
def _purged(start: StartNginx, s3: S3, service_all_session: Recorder, port: int) -> Nginx:
    """Nginx with its cache, a purge port and tags for two CDNs."""
    return start(
        {
            "PREW_NGINX_S3_SERVER": f"{LOOPBACK}:{s3.port}",
            "PREW_NGINX_SERVICES": service_all_session.address,
            "PREW_NGINX_CACHE": "on",
            "PREW_NGINX_PURGE_LISTEN": f"{LOOPBACK}:{port}",
            "PREW_NGINX_TAG_HEADERS": "Cache-Tag Surrogate-Key",
        }
    )


def _purge(port: int, **what: list[str]) -> Any:
    body = json.dumps({"keys": [], "starts": []} | what).encode()
    with urlopen(Request(f"http://{LOOPBACK}:{port}/purge", data=body, headers=JSON), timeout=30) as answer:
        return json.load(answer)["purged"]


def _answers(nginx: Nginx, keys: list[str]) -> list[tuple[str | None, bytes]]:
    found = [ask(nginx.port, f"/{quote(key)}") for key in keys]
    return [(each.headers["X-Cache"], each.body) for each in found]


def test_named_copies_go_and_others_stay(purged: Nginx, put: Put, port: int) -> None:
    """At once, however recently nginx opened their files."""
    keys = [f"prew/card/{ODD}", "prew/card.webp/gone.jpg", "photo/gone.jpg", "prew/card/stays.jpg"]
    for key in keys:
        put(key, b"old")
    _answers(purged, keys)
    hits = _answers(purged, keys)
    for key in keys:
        put(key, b"new")

    assert _purge(port, keys=[*keys[:3], "prew/card/never.jpg"]) == 3
    assert hits == [("HIT", b"old")] * 4
    assert _answers(purged, keys) == [("MISS", b"new")] * 3 + [("HIT", b"old")]
    assert _answers(purged, keys) == [("HIT", b"new")] * 3 + [("HIT", b"old")]


def test_all_copies_whose_keys_begin_so_go(purged: Nginx, put: Put, port: int) -> None:
    keys = [*(f"prew/wide/2024/{number}.jpg" for number in range(40)), "prew/wide/2025/a.jpg", f"prew/wide@2x/{ODD}"]
    for key in keys:
        put(key, b"old")
    _answers(purged, keys)
    for key in keys:
        put(key, b"new")

    assert _purge(port, starts=["prew/wide/2024/", "prew/wide@2x/"]) == 41
    assert [body for _, body in _answers(purged, keys)] == [b"new"] * 40 + [b"old", b"new"]


def test_what_is_no_list_of_keys_purges_nothing(purged: Nginx, put: Put, port: int) -> None:
    put("prew/card/kept.jpg", b"kept")
    _answers(purged, ["prew/card/kept.jpg"])
    statuses = [
        ask(port, "/purge", "POST", {**JSON, "Content-Length": str(len(body))}, body).status for body in HOSTILE_BODIES
    ]
    statuses += [ask(port, "/purge").status, ask(port, "/prew/card/kept.jpg").status]
    outside = _purge(port, keys=["../../../access.json", "photo/../../x"], starts=["\n"])

    assert statuses == [400] * len(HOSTILE_BODIES) + [400, 404]
    assert outside == 0
    assert _answers(purged, ["prew/card/kept.jpg"]) == [("HIT", b"kept")]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/plain;application/json", ""])
def test_a_page_of_another_site_purges_nothing(purged: Nginx, put: Put, port: int, kind: str) -> None:
    """What browsers send for any page; for JSON they ask first."""
    put("prew/card/kept.jpg", b"kept")
    _answers(purged, ["prew/card/kept.jpg"])
    everything = b'{"keys": [], "starts": [""]}'
    headers = {"Content-Length": str(len(everything)), **({"Content-Type": kind} if kind else {})}

    assert ask(port, "/purge", "POST", headers, everything).status == 400
    assert ask(port, "/purge", "OPTIONS", {"Origin": "https://evil.test"}).status == 400
    assert _answers(purged, ["prew/card/kept.jpg"]) == [("HIT", b"kept")]


def test_clients_do_not_reach_it(purged: Nginx) -> None:
    assert ask(purged.port, "/purge", "POST").status == 405
    assert ask(purged.port, "/purge").status == 404


def test_a_previews_tags_are_repeated_from_s3_and_from_the_service(purged: Nginx, put: Put, service: Recorder) -> None:
    put("prew/card/tagged.jpg", b"x", Metadata={"cache-tag": TAGS})
    service.respond = lambda _: Reply(200, b"made", {"x-amz-meta-cache-tag": TAGS})
    found = [ask(purged.port, path).headers for path in ("/prew/card/tagged.jpg",) * 2 + ("/prew/card/missing.jpg",)]
    put("prew/card/untagged.jpg", b"x")
    untagged = ask(purged.port, "/prew/card/untagged.jpg").headers

    assert [each["X-Cache"] for each in found] == ["MISS", "HIT", None]
    for each in found:
        assert each["x-amz-meta-cache-tag"] == each["Cache-Tag"] == TAGS
        assert each["Surrogate-Key"] == TAGS.replace(",", " ")
    assert "Cache-Tag" not in untagged
    assert "Surrogate-Key" not in untagged


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PREW_NGINX_TAG_HEADERS": "cache-tag"}, "PREW_NGINX_TAG_HEADERS must be"),
        ({"PREW_NGINX_PURGE_LISTEN": "8081"}, "PREW_NGINX_PURGE_LISTEN requires PREW_NGINX_CACHE=on"),
        ({"PREW_NGINX_CACHE": "on", "PREW_NGINX_PURGE_LISTEN": "8081; }"}, "PREW_NGINX_PURGE_LISTEN must be a port"),
        ({"PREW_NGINX_CACHE": "on", "PREW_NGINX_PURGE_LISTEN": "8080"}, "must be another port"),
        ({"PREW_NGINX_CACHE": "on", "PREW_NGINX_PURGE_LISTEN": "127.0.0.1:8080"}, "must be another port"),
        (
            {"PREW_NGINX_CACHE": "on", "PREW_NGINX_PURGE_LISTEN": "1", "PREW_NGINX_JS_MODULE": "/none"},
            "requires nginx's njs module",
        ),
    ],
)
def test_a_wrong_variable_stops_the_start(tmp_path: Path, variables: dict[str, str], message: str) -> None:
    usual = {"PREW_NGINX_S3_SERVER": "127.0.0.1:1", "PREW_NGINX_STATE_PATH": str(tmp_path)}
    with pytest.raises(ProgramError, match=message):
        effective_environment(usual | variables)


def test_where_nobody_says_what_has_changed_nginx_asks_after_a_minute() -> None:
    usual = {"PREW_NGINX_S3_SERVER": "127.0.0.1:1"}
    listening = usual | {"PREW_NGINX_CACHE": "on", "PREW_NGINX_CACHE_SIZE": "1m", "PREW_NGINX_PURGE_LISTEN": "8081"}

    assert effective_environment(usual)["PREW_NGINX_CACHE_VALID"] == "1m"
    assert effective_environment(listening)["PREW_NGINX_CACHE_VALID"] == "10m"
