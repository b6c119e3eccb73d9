"""Photos and previews that exist come from S3; what is missing ends at the picture or at the service."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image

from devstack.backends import S3, s3_client
from devstack.nginx_server import Nginx
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import ask

Put = Callable[..., str]
BODY = bytes(range(256)) * 300


@pytest.mark.parametrize("key", ["photo/there.jpg", "prew/card/there.jpg"])
def test_an_object_that_exists_comes_from_s3(front: Nginx, service: Recorder, put: Put, key: str) -> None:
    """Body, type, tag and life-time are S3's, and the service hears nothing."""
    etag = put(key, BODY, ContentType="image/webp", CacheControl="max-age=31536000")

    answer = ask(front.port, f"/{key}")

    assert (answer.status, answer.body) == (200, BODY)
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["ETag"] == etag
    assert answer.headers["Cache-Control"] == "max-age=31536000"
    assert answer.headers["Last-Modified"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert service.seen == []


def test_s3s_own_headers_stay_inside(front: Nginx, put: Put) -> None:
    """No header of the answer names S3, its server or its request, and nginx does not tell its version."""
    put("photo/headers.jpg", BODY)

    headers = ask(front.port, "/photo/headers.jpg").headers

    assert headers["Server"] == "nginx"
    assert [name for name in headers if "amz" in name.lower() or "seaweed" in name.lower()] == []
    assert "Vary" not in headers
    assert "X-Cache" not in headers


def test_a_preview_has_its_placeholder_in_a_header(front: Nginx, service: Recorder, put: Put) -> None:
    """What the function keeps in the object's metadata comes as `X-ThumbHash`, and as nothing else of it."""
    kept = {"thumbhash": "1Q/+HQ==", "preset-fingerprint": "0123456789ab", "source-etag": "abc"}
    put("prew/card/hashed.jpg", BODY, Metadata=kept)
    put("prew/card/plain.jpg", BODY)

    for method in ("GET", "HEAD"):
        hashed, plain = (ask(front.port, f"/prew/card/{name}.jpg", method).headers for name in ("hashed", "plain"))
        assert hashed.get_all("X-ThumbHash") == ["1Q/+HQ=="]
        assert "X-ThumbHash" not in plain
        assert [name for name in hashed if "amz" in name.lower()] == []
    assert service.seen == []


def test_head_of_an_object(front: Nginx, service: Recorder, put: Put) -> None:
    """HEAD has the length of the object and no body."""
    put("prew/card/head.jpg", BODY)

    answer = ask(front.port, "/prew/card/head.jpg", "HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(BODY))
    assert service.seen == []


@pytest.mark.parametrize("key", ["photo/same.jpg", "prew/card/same.jpg"])
def test_an_unchanged_object_is_304(front: Nginx, service: Recorder, put: Put, key: str) -> None:
    """If-None-Match and If-Modified-Since reach S3, and its 304 reaches the client."""
    etag = put(key, BODY)
    modified = ask(front.port, f"/{key}").headers["Last-Modified"]

    assert ask(front.port, f"/{key}", headers={"If-None-Match": etag}).status == 304
    assert ask(front.port, f"/{key}", headers={"If-Modified-Since": modified}).status == 304
    assert service.seen == []


def test_a_part_of_an_object(front: Nginx, put: Put) -> None:
    """A range is S3's to answer: 206, and 416 without S3's words."""
    put("photo/part.jpg", BODY)

    part = ask(front.port, "/photo/part.jpg", headers={"Range": "bytes=10-19"})
    outside = ask(front.port, "/photo/part.jpg", headers={"Range": "bytes=900000-"})

    assert (part.status, part.body) == (206, BODY[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(BODY)}"
    assert (outside.status, outside.problem["title"]) == (416, "Range Not Satisfiable")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_missing_preview_is_the_services(front: Nginx, service: Recorder, method: str) -> None:
    """The service's status, headers and body are the answer, by the same method."""
    answer = ask(front.port, "/prew/card/missing.jpg", method)

    assert answer.status == 200
    assert answer.body == (b"from service" if method == "GET" else b"")
    assert answer.headers["X-Preview"] == "made"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert [(seen.method, seen.target) for seen in service.seen] == [(method, "/prew/card/missing.jpg")]


def test_the_services_refusals_reach_the_client(front: Nginx, service: Recorder) -> None:
    """A problem body of the service is left as it is, with its status and headers."""
    body = b'{"title":"busy"}'
    service.respond = lambda _: Reply(503, body, {"Content-Type": "application/problem+json", "Retry-After": "2"})

    answer = ask(front.port, "/prew/card/busy.jpg")

    assert (answer.status, answer.body) == (503, body)
    assert answer.headers["Retry-After"] == "2"


def test_the_services_404_is_final(front: Nginx, service: Recorder) -> None:
    """A 404 of the service is not asked again, neither there nor anywhere else."""
    service.respond = lambda _: Reply(404, b"{}", {"Content-Type": "application/problem+json"})

    answer = ask(front.port, "/prew/card/unknown.jpg")

    assert (answer.status, answer.body) == (404, b"{}")
    assert len(service.seen) == 1


def test_a_304_of_the_service(front: Nginx, service: Recorder) -> None:
    """The client's tag reaches the service, and its 304 the client."""
    service.respond = lambda seen: Reply(304 if seen.headers["If-None-Match"] == '"t"' else 200)

    assert ask(front.port, "/prew/card/fresh.jpg", headers={"If-None-Match": '"t"'}).status == 304


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_missing_photo_is_a_picture(front: Nginx, service: Recorder, method: str) -> None:
    """404 with a picture that nobody may keep, even for a client that has an earlier one."""
    headers = {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT", "Range": "bytes=0-9"}

    answer = ask(front.port, "/photo/missing.jpg", method, headers)

    assert answer.status == 404
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers
    assert "Last-Modified" not in answer.headers
    assert service.seen == []
    if method == "GET":
        assert Image.open(io.BytesIO(answer.body)).size == (600, 400)


def test_a_closed_bucket_is_as_if_missing(start: StartNginx, s3: S3, service: Recorder) -> None:
    """S3's 403 is treated like 404: without the right to list, it is how S3 says that nothing is there."""
    s3_client(s3).create_bucket(Bucket="closed")
    nginx = start(
        {
            "PREW_NGINX_S3_SERVER": f"127.0.0.1:{s3.port}",
            "PREW_NGINX_BUCKET_PATH": "/closed",
            "PREW_NGINX_SERVICES": service.address,
        }
    )

    preview, photo = ask(nginx.port, "/prew/card/a.jpg"), ask(nginx.port, "/photo/a.jpg")

    assert (preview.status, preview.body) == (200, b"from service")
    assert (photo.status, photo.headers["Content-Type"]) == (404, "image/jpeg")
    assert [seen.target for seen in service.seen] == ["/prew/card/a.jpg"]


@pytest.mark.parametrize("target", ["/", "/other", "/photo", "/prew", "/-/health", "/-/problem", "/Photo/a.jpg", "*"])
def test_everything_else_is_nothing(recorded: Nginx, service: Recorder, bucket: Recorder, target: str) -> None:
    """What is neither photo nor preview ends here, with a small problem body."""
    answer = ask(recorded.port, target)

    assert answer.status == (400 if target == "*" else 404)
    assert answer.problem["status"] == answer.status
    assert answer.headers["Cache-Control"] == "no-store"
    assert service.seen == bucket.seen == []


def test_nginx_says_that_it_is_up(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    """The health address needs neither S3 nor the service."""
    answer = ask(recorded.port, "/nginx-health")

    assert (answer.status, answer.body) == (200, b"ok\n")
    assert service.seen == bucket.seen == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "TRACE"])
@pytest.mark.parametrize("target", ["/prew/card/a.jpg", "/photo/a.jpg", "/"])
def test_other_methods_end_at_nginx(
    recorded: Nginx, service: Recorder, bucket: Recorder, method: str, target: str
) -> None:
    """405 with Allow, and no upstream sees the request, although its 403 and 404 lead on to the service."""
    answer = ask(recorded.port, target, method, {"Content-Length": "5000"}, b"x" * 5000)

    assert (answer.status, answer.problem["title"]) == (405, "Method Not Allowed")
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.headers["Cache-Control"] == "no-store"
    assert service.seen == bucket.seen == []


@pytest.mark.parametrize("target", ["/prew/card/a.jpg", "evil.test:443"])
def test_nobody_tunnels(recorded: Nginx, service: Recorder, bucket: Recorder, target: str) -> None:
    """CONNECT is refused as a method, or as malformed by an nginx that knows it as a forward proxy's."""
    answer = ask(recorded.port, target, "CONNECT")

    assert answer.status in {400, 405}
    assert answer.problem["status"] == answer.status
    assert service.seen == bucket.seen == []
