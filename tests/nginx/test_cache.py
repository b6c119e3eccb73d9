"""The optional cache: hits without S3, and no cached misses."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from devstack.backends import S3
from devstack.nginx_server import Nginx, command, render
from devstack.programs import Program, answers, free_ports
from prewmanager.adapters.nginx_cache import NginxCache
from tests.nginx.conftest import Put, StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import Answer, ask


@pytest.fixture(scope="session", name="cached")
def _cached(start: StartNginx, s3: S3, service_all_session: Recorder) -> Nginx:
    """Nginx with its cache, in front of a real S3 and a recording service."""
    addresses = {"PREW_NGINX_S3_SERVER": f"127.0.0.1:{s3.port}", "PREW_NGINX_SERVICES": service_all_session.address}
    return start({**addresses, "PREW_NGINX_CACHE": "on"})


@pytest.fixture(scope="session", name="short_lived")
def _short_lived(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    """Nginx with a cache that asks S3 again after a second, in front of two recorders."""
    return start({**recorders, "PREW_NGINX_CACHE": "on", "PREW_NGINX_CACHE_VALID": "1s"})


def ask_until(nginx: Nginx, target: str, holds: Callable[[Answer], bool]) -> Answer:
    """Repeat a request until the answer is as expected; the test's time limit ends it."""
    while not holds(answer := ask(nginx.port, target)):
        pass
    return answer


def test_the_cache_lock_delays_no_missing_preview(short_lived: Nginx, bucket: Recorder, service: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)
    # Below nginx's default time-out for the lock, 5 s, which the configuration overrides.
    all_in = threading.Barrier(20, timeout=4)

    def together(seen: object) -> Reply:
        all_in.wait()
        return service.usual(seen)

    service.respond = together
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(short_lived.port, "/prew/card/wanted.jpg"), range(20)))

    assert {(answer.status, answer.body) for answer in answers} == {(200, b"from service")}


def test_a_hit_does_not_ask_s3(cached: Nginx, put: Put) -> None:
    put("prew/card/hit.jpg", b"first", CacheControl="no-store", ContentType="image/webp")
    first = ask(cached.port, "/prew/card/hit.jpg")
    put("prew/card/hit.jpg", b"second")

    again = [ask(cached.port, f"/prew/card/hit.jpg{query}") for query in ("", "?v=2", "?versionId=1")]

    assert (first.headers["X-Cache"], first.body) == ("MISS", b"first")
    assert {(answer.headers["X-Cache"], answer.body) for answer in again} == {("HIT", b"first")}
    assert {answer.headers["Content-Type"] for answer in again} == {"image/webp"}


@pytest.mark.usefixtures("service")
def test_missing_objects_are_not_cached(cached: Nginx, put: Put) -> None:
    missing = [ask(cached.port, "/prew/card/soon.jpg"), ask(cached.port, "/photo/soon.jpg")]
    put("prew/card/soon.jpg", b"made")
    put("photo/soon.jpg", b"uploaded")
    photo = ask(cached.port, "/photo/soon.jpg")
    preview = ask_until(cached, "/prew/card/soon.jpg", lambda answer: answer.body != b"from service")

    assert [answer.status for answer in missing] == [200, 404]
    assert missing[0].body == b"from service"
    assert [preview.body, photo.body] == [b"made", b"uploaded"]


def test_a_missing_preview_is_asked_for_once_in_a_second(
    short_lived: Nginx, bucket: Recorder, service: Recorder
) -> None:
    """A busy machine may need longer than that second for a name, but not for each."""
    bucket.respond = lambda _: Reply(404)

    def asked(number: int) -> int:
        before = len(bucket.seen)
        answers = [ask(short_lived.port, f"/prew/card/absent-{number}.jpg") for _ in range(3)]
        assert {answer.body for answer in answers} == {b"from service"}
        return len(bucket.seen) - before

    assert next(number for number in itertools.count() if asked(number) == 1) >= 0
    assert len(service.seen) >= 3


@pytest.mark.parametrize("status", [403, 404])
def test_a_missing_photo_is_asked_for_each_time(short_lived: Nginx, bucket: Recorder, status: int) -> None:
    bucket.respond = lambda _: Reply(status)

    assert {ask(short_lived.port, "/photo/absent.jpg").status for _ in range(3)} == {404}
    assert len(bucket.seen) == 3


def test_what_is_not_there_leaves_no_file(short_lived: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda seen: Reply(404) if "gone" in seen.target else Reply(200, b"stored")

    bodies = [ask(short_lived.port, f"/prew/card/{name}.jpg").body for name in ("gone", "gone", "stored")]

    assert bodies == [b"from service", b"from service", b"stored"]
    assert not list((short_lived.access_log.parent / "state" / "not-there").rglob("*"))


def test_ranges_conditions_and_head_are_answered_from_the_cache(cached: Nginx, put: Put) -> None:
    etag = put("photo/whole.jpg", b"0123456789" * 100)
    part = ask(cached.port, "/photo/whole.jpg", headers={"Range": "bytes=3-5"})
    put("photo/whole.jpg", b"other")

    same = ask(cached.port, "/photo/whole.jpg", headers={"If-None-Match": etag})
    head = ask(cached.port, "/photo/whole.jpg", "HEAD")
    whole = ask(cached.port, "/photo/whole.jpg")

    assert (part.status, part.body) == (206, b"345")
    assert (same.status, same.headers["X-Cache"]) == (304, "HIT")
    assert (head.headers["Content-Length"], head.headers["X-Cache"]) == ("1000", "HIT")
    assert (whole.body, whole.headers["X-Cache"]) == (b"0123456789" * 100, "HIT")


def test_head_of_a_missing_preview_stays_head_on_its_way_to_the_service(cached: Nginx, service: Recorder) -> None:
    """For its cache, nginx asks S3 by GET."""
    answer = ask(cached.port, "/prew/card/head-missing.jpg", "HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert [seen.method for seen in service.seen] == ["HEAD"]


def test_an_expired_object_is_revalidated_by_a_conditional_request(short_lived: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda seen: (
        Reply(304) if seen.headers["If-None-Match"] == '"tag"' else Reply(200, b"kept", {"ETag": '"tag"'})
    )
    ask(short_lived.port, "/photo/old.jpg")

    ask_until(short_lived, "/photo/old.jpg", lambda _: len(bucket.seen) > 1)

    assert bucket.seen[1].headers["If-None-Match"] == '"tag"'
    assert ask(short_lived.port, "/photo/old.jpg").body == b"kept"


@pytest.mark.fault("s3-away")
def test_an_expired_object_is_served_while_s3_fails(short_lived: Nginx, bucket: Recorder) -> None:
    ask(short_lived.port, "/photo/stale.jpg")
    bucket.respond = lambda _: Reply(500, b"<Error/>")

    answer = ask_until(short_lived, "/photo/stale.jpg", lambda answer: answer.headers["X-Cache"] == "STALE")

    assert (answer.status, answer.body) == (200, b"from bucket")
    ask_until(short_lived, "/photo/stale.jpg", lambda answer: answer.status == 200 and len(bucket.seen) > 2)


def test_what_s3_no_longer_has_is_not_served_once_it_expires(
    short_lived: Nginx, bucket: Recorder, service: Recorder
) -> None:
    """However often it is asked for: each request gets S3's answer, or the service's."""
    paths = ["/prew/card/purged.jpg", "/photo/removed.jpg"]
    for path in paths:
        ask(short_lived.port, path)
    bucket.respond = lambda _: Reply(404)

    expired = [ask_until(short_lived, path, lambda answer: answer.headers["X-Cache"] != "HIT") for path in paths]
    again = [ask(short_lived.port, path) for path in paths]

    for preview, photo in (expired, again):
        assert (preview.status, preview.body) == (200, b"from service")
        assert photo.status == 404
    assert {seen.target for seen in service.seen} == {paths[0]}


@pytest.mark.fault("cache-spellings")
def test_one_object_has_one_entry_however_its_path_is_spelled(cached: Nginx, put: Put) -> None:
    put("photo/spelled/one+two (3) 100%.jpg", b"picture")
    plain = "/photo/spelled/one%2Btwo%20(3)%20100%25.jpg"
    folder = cached.access_log.parent / "state" / "cache"
    first = ask(cached.port, plain)
    entries = _files(folder)
    again = [ask(cached.port, f"/photo/{each}") for each in _encoded("spelled/one+two (3) 100%.jpg")]

    assert first.headers["X-Cache"] == "MISS"
    assert len(again) > 30
    assert {(answer.status, answer.headers["X-Cache"], answer.body) for answer in again} == {(200, "HIT", b"picture")}
    assert _files(folder) == entries
    assert NginxCache(folder).purge(lambda key: key == "/photos/photo/spelled/one+two (3) 100%.jpg") == 1
    assert ask(cached.port, plain).headers["X-Cache"] == "MISS"


def test_a_purged_hit_is_gone_for_workers_that_hold_its_file_open(cached: Nginx, put: Put) -> None:
    folder = cached.access_log.parent / "state" / "cache"
    put("prew/card/held.jpg", b"old")
    hits = [ask(cached.port, "/prew/card/held.jpg") for _ in range(3)]
    put("prew/card/held.jpg", b"new")

    assert NginxCache(folder).purge(lambda key: key.endswith("/held.jpg")) == 1
    after = ask(cached.port, "/prew/card/held.jpg")

    assert [hit.headers["X-Cache"] for hit in hits] == ["MISS", "HIT", "HIT"]
    assert (after.headers["X-Cache"], after.body) == ("MISS", b"new")


def test_each_hit_has_an_id_of_its_own_and_logs_no_warning(cached: Nginx, put: Put) -> None:
    put("prew/card/counted.jpg", b"picture")
    before = len(cached.program.log.read_text())
    hits = [ask(cached.port, "/prew/card/counted.jpg") for _ in range(4)][1:]
    named = ask(cached.port, "/prew/card/counted.jpg", headers={"X-Request-Id": "a-clients-own"})

    assert {hit.headers["X-Cache"] for hit in [*hits, named]} == {"HIT"}
    assert len({hit.headers["X-Request-Id"] for hit in hits}) == len(hits)
    assert named.headers["X-Request-Id"] == "a-clients-own"
    assert cached.program.log.read_text()[before:] == ""


@pytest.mark.usefixtures("bucket")
@pytest.mark.fault("cache-volume-full")
def test_nothing_is_stored_once_the_volume_is_full(tmp_path: Path, recorders: dict[str, str]) -> None:
    """Hits may be asked for in the second before: nginx looks again before it stores."""
    port, room = free_ports(1)[0], tmp_path / "state" / "cache-has-room"
    variables = {"PREW_NGINX_CACHE": "on", "PREW_NGINX_WORKERS": "1", "PREW_NGINX_S3_SCHEME": "http"}
    local = {"PREW_NGINX_LISTEN": f"127.0.0.1:{port}", "PREW_NGINX_ACCESS_LOG": str(tmp_path / "access.json")}
    render(tmp_path, {**recorders, **variables, **local})
    room.touch()
    # Without cache-watch.sh, which would write the file again.
    nginx = Program("nginx", [*command(tmp_path), "-g", "daemon off;"], tmp_path / "nginx.log")
    nginx.wait_ready(lambda: answers(port))
    try:
        hits = [ask(port, "/photo/before.jpg").headers["X-Cache"] for _ in range(2)]
        stored = _files(tmp_path / "state" / "cache")
        room.unlink()
        after = [ask(port, f"/photo/after-{number}.jpg") for number in range(20)]
    finally:
        nginx.stop()

    assert (hits, len(stored)) == (["MISS", "HIT"], 1)
    assert {answer.body for answer in after} == {b"from bucket"}
    assert _files(tmp_path / "state" / "cache") == stored


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _encoded(name: str) -> list[str]:
    """Return spellings of a name: each character that may be encoded, alone and with all others, in both cases."""
    usual = [quote(char, safe="()") for char in name]
    each = [
        "".join([*usual[:at], f"%{ord(name[at]):{form}}", *usual[at + 1 :]])
        for at in range(len(name))
        for form in ("02X", "02x")
    ]
    return list(dict.fromkeys([*each, *("".join(f"%{ord(char):{form}}" for char in name) for form in ("02X", "02x"))]))


@pytest.mark.fault("cache-spellings")
def test_a_plus_that_is_a_space_to_s3_is_not_cached(short_lived: Nginx, bucket: Recorder) -> None:
    path = "/photo/" + "+".join("abcdefghijk") + ".jpg"
    answers = [ask(short_lived.port, path) for _ in range(2)]

    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS"] * 2
    assert len(bucket.seen) == 2
