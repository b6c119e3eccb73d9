"""The optional cache: hits without S3, nothing kept of what is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from devstack.backends import S3
from devstack.nginx_server import Nginx
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import Answer, ask

Put = Callable[..., str]


@pytest.fixture(scope="session", name="cached")
def _cached(start: StartNginx, s3: S3, service_all_session: Recorder) -> Nginx:
    """Nginx with its cache, in front of a real S3 and a recording service."""
    addresses = {"PREW_NGINX_S3_SERVER": f"127.0.0.1:{s3.port}", "PREW_NGINX_SERVICES": service_all_session.address}
    return start({**addresses, "PREW_NGINX_CACHE": "on"})


@pytest.fixture(scope="session", name="short_lived")
def _short_lived(start: StartNginx, bucket_all_session: Recorder, service_all_session: Recorder) -> Nginx:
    """Nginx with a cache that asks S3 again after a second, in front of two recorders."""
    addresses = {
        "PREW_NGINX_S3_SERVER": bucket_all_session.address,
        "PREW_NGINX_SERVICES": service_all_session.address,
    }
    return start({**addresses, "PREW_NGINX_CACHE": "on", "PREW_NGINX_CACHE_VALID": "1s"})


def ask_until(nginx: Nginx, target: str, holds: Callable[[Answer], bool]) -> Answer:
    """Ask again until the answer is as wanted; the test's own time limit ends it where it never is."""
    while not holds(answer := ask(nginx.port, target)):
        pass
    return answer


def test_many_who_wait_for_one_preview_wait_at_the_service(
    short_lived: Nginx, bucket: Recorder, service: Recorder
) -> None:
    """The cache's lock lets everybody through to the service while the first is still being answered there."""
    bucket.respond = lambda _: Reply(404)
    # Below nginx's own time-out for the lock, 5 s, which the configuration replaces.
    all_in = threading.Barrier(20, timeout=4)

    def together(seen: object) -> Reply:
        all_in.wait()
        return service.usual(seen)

    service.respond = together
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(short_lived.port, "/prew/card/wanted.jpg"), range(20)))

    assert {(answer.status, answer.body) for answer in answers} == {(200, b"from service")}


def test_a_hit_does_not_ask_s3(cached: Nginx, put: Put) -> None:
    """An object that changed behind nginx is still served as it was, whatever query is added; valid for 10 minutes."""
    put("prew/card/hit.jpg", b"first", CacheControl="no-store", ContentType="image/webp")
    first = ask(cached.port, "/prew/card/hit.jpg")
    put("prew/card/hit.jpg", b"second")

    again = [ask(cached.port, f"/prew/card/hit.jpg{query}") for query in ("", "?v=2", "?versionId=1")]

    assert (first.headers["X-Cache"], first.body) == ("MISS", b"first")
    assert {(answer.headers["X-Cache"], answer.body) for answer in again} == {("HIT", b"first")}
    assert {answer.headers["Content-Type"] for answer in again} == {"image/webp"}


def test_what_is_missing_is_not_kept(cached: Nginx, service: Recorder, put: Put) -> None:
    """A preview that appears is served from S3 at the next request, and so is a photo."""
    missing = [ask(cached.port, "/prew/card/soon.jpg"), ask(cached.port, "/photo/soon.jpg")]
    put("prew/card/soon.jpg", b"made")
    put("photo/soon.jpg", b"uploaded")
    there = [ask(cached.port, "/prew/card/soon.jpg"), ask(cached.port, "/photo/soon.jpg")]

    assert [answer.status for answer in missing] == [200, 404]
    assert missing[0].body == b"from service"
    assert [answer.body for answer in there] == [b"made", b"uploaded"]
    assert len(service.seen) == 1


def test_parts_and_conditions_are_answered_from_the_cache(cached: Nginx, put: Put) -> None:
    """Range, If-None-Match and HEAD work on what is kept, and a range as first request keeps the whole object."""
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


def test_a_head_of_a_missing_preview(cached: Nginx, service: Recorder) -> None:
    """HEAD stays HEAD on its way to the service, although nginx asks S3 by GET for its cache."""
    answer = ask(cached.port, "/prew/card/head-missing.jpg", "HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert [seen.method for seen in service.seen] == ["HEAD"]


def test_an_old_object_is_asked_about(short_lived: Nginx, bucket: Recorder) -> None:
    """After its time S3 is asked whether the object changed, not for the object."""
    bucket.respond = lambda seen: (
        Reply(304) if seen.headers["If-None-Match"] == '"tag"' else Reply(200, b"kept", {"ETag": '"tag"'})
    )
    ask(short_lived.port, "/photo/old.jpg")

    ask_until(short_lived, "/photo/old.jpg", lambda _: len(bucket.seen) > 1)

    assert bucket.seen[1].headers["If-None-Match"] == '"tag"'
    assert ask(short_lived.port, "/photo/old.jpg").body == b"kept"


def test_with_s3_in_trouble_the_old_object_is_served(short_lived: Nginx, bucket: Recorder) -> None:
    """500 of S3 after the object's time: what is kept is served on."""
    ask(short_lived.port, "/photo/stale.jpg")
    bucket.respond = lambda _: Reply(500, b"<Error/>")

    answer = ask_until(short_lived, "/photo/stale.jpg", lambda answer: answer.headers["X-Cache"] == "STALE")

    assert (answer.status, answer.body) == (200, b"from bucket")
    ask_until(short_lived, "/photo/stale.jpg", lambda answer: answer.status == 200 and len(bucket.seen) > 2)


def test_a_purged_preview_is_made_again(short_lived: Nginx, bucket: Recorder, service: Recorder) -> None:
    """A preview that S3 no longer has goes to the service once its time here is over."""
    ask(short_lived.port, "/prew/card/purged.jpg")
    bucket.respond = lambda _: Reply(404)

    ask_until(short_lived, "/prew/card/purged.jpg", lambda _: bool(service.seen))

    assert service.seen[0].target == "/prew/card/purged.jpg"
