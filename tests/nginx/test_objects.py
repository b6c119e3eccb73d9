"""Existing photos and previews come from S3; a missing photo is a picture, a missing preview goes to the service."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from devstack.backends import S3, s3_client
from devstack.nginx_server import Nginx
from tests.nginx.conftest import Put, StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import ask

BODY = bytes(range(256)) * 300


@pytest.mark.parametrize("key", ["photo/there.jpg", "prew/card/there.jpg"])
def test_existing_objects_come_from_s3_without_the_service(front: Nginx, service: Recorder, put: Put, key: str) -> None:
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


def test_no_header_names_s3_its_request_or_nginxs_version(front: Nginx, put: Put) -> None:
    put("photo/headers.jpg", BODY)

    headers = ask(front.port, "/photo/headers.jpg").headers

    assert headers["Server"] == "nginx"
    assert [name for name in headers if "amz" in name.lower() or "seaweed" in name.lower()] == []
    assert "Vary" not in headers
    assert "X-Cache" not in headers


def test_of_an_objects_metadata_only_the_thumbhash_becomes_a_header(front: Nginx, service: Recorder, put: Put) -> None:
    kept = {"thumbhash": "1Q/+HQ==", "preset-fingerprint": "0123456789ab", "source-etag": "abc"}
    put("prew/card/hashed.jpg", BODY, Metadata=kept)
    put("prew/card/plain.jpg", BODY)

    for method in ("GET", "HEAD"):
        hashed, plain = (ask(front.port, f"/prew/card/{name}.jpg", method).headers for name in ("hashed", "plain"))
        assert hashed.get_all("X-ThumbHash") == ["1Q/+HQ=="]
        assert "X-ThumbHash" not in plain
        assert [name for name in hashed if "amz" in name.lower()] == []
    assert service.seen == []


def test_head_has_the_objects_length_and_no_body(front: Nginx, service: Recorder, put: Put) -> None:
    put("prew/card/head.jpg", BODY)

    answer = ask(front.port, "/prew/card/head.jpg", "HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(BODY))
    assert service.seen == []


@pytest.mark.parametrize("key", ["photo/same.jpg", "prew/card/same.jpg"])
def test_s3_answers_conditions_by_304(front: Nginx, service: Recorder, put: Put, key: str) -> None:
    etag = put(key, BODY)
    modified = ask(front.port, f"/{key}").headers["Last-Modified"]

    assert ask(front.port, f"/{key}", headers={"If-None-Match": etag}).status == 304
    assert ask(front.port, f"/{key}", headers={"If-Modified-Since": modified}).status == 304
    assert service.seen == []


@pytest.mark.parametrize("cache", ["off", "on"])
def test_conditions_and_ranges_mean_the_same_with_and_without_the_cache(
    start: StartNginx, s3: S3, service: Recorder, put: Put, cache: str
) -> None:
    etag = put("photo/conditions.jpg", BODY)
    address = {"PREW_NGINX_S3_SERVER": f"127.0.0.1:{s3.port}", "PREW_NGINX_SERVICES": service.address}
    nginx = start({**address, "PREW_NGINX_CACHE": cache})

    def status(known: str) -> int:
        return ask(nginx.port, "/photo/conditions.jpg", headers={"If-None-Match": known}).status

    same = ["*", etag, f"W/{etag}", f'"a", {etag}', f'"a",W/{etag}', f'W/"a", "b" , W/{etag}']
    other = ['"a"', 'W/"a"', '"a", W/"b"', etag.strip('"')[:-1]]
    assert [status(known) for known in same] == [304] * len(same)
    assert [status(known) for known in other] == [200] * len(other)

    outside = ask(nginx.port, "/photo/conditions.jpg", headers={"Range": "bytes=900000-"})

    assert (outside.status, outside.problem["status"]) == (416, 416)
    assert outside.headers.get_all("Content-Range") == [f"bytes */{len(BODY)}"]


def test_s3_answers_ranges_by_206_and_416(front: Nginx, put: Put) -> None:
    put("photo/part.jpg", BODY)

    part = ask(front.port, "/photo/part.jpg", headers={"Range": "bytes=10-19"})
    outside = ask(front.port, "/photo/part.jpg", headers={"Range": "bytes=900000-"})

    assert (part.status, part.body) == (206, BODY[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(BODY)}"
    assert (outside.status, outside.problem["title"]) == (416, "Range Not Satisfiable")
    assert outside.headers.get_all("Content-Range") == [f"bytes */{len(BODY)}"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_service_answers_for_a_missing_preview(front: Nginx, service: Recorder, method: str) -> None:
    answer = ask(front.port, "/prew/card/missing.jpg", method)

    assert answer.status == 200
    assert answer.body == (b"from service" if method == "GET" else b"")
    assert answer.headers["X-Preview"] == "made"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert [(seen.method, seen.target) for seen in service.seen] == [(method, "/prew/card/missing.jpg")]


def test_the_services_problem_bodies_reach_the_client_unchanged(front: Nginx, service: Recorder) -> None:
    body = b'{"title":"busy"}'
    service.respond = lambda _: Reply(503, body, {"Content-Type": "application/problem+json", "Retry-After": "2"})

    answer = ask(front.port, "/prew/card/busy.jpg")

    assert (answer.status, answer.body) == (503, body)
    assert answer.headers["Retry-After"] == "2"


def test_the_services_404_is_final(front: Nginx, service: Recorder) -> None:
    service.respond = lambda _: Reply(404, b"{}", {"Content-Type": "application/problem+json"})

    answer = ask(front.port, "/prew/card/unknown.jpg")

    assert (answer.status, answer.body) == (404, b"{}")
    assert len(service.seen) == 1


def test_the_client_gets_the_services_304(front: Nginx, service: Recorder) -> None:
    service.respond = lambda seen: Reply(304 if seen.headers["If-None-Match"] == '"t"' else 200)

    assert ask(front.port, "/prew/card/fresh.jpg", headers={"If-None-Match": '"t"'}).status == 304


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_missing_photo_is_404_with_a_picture_that_is_not_cached(front: Nginx, service: Recorder, method: str) -> None:
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


def test_s3s_403_is_treated_as_missing(start: StartNginx, s3: S3, service: Recorder) -> None:
    """Without permission to list, S3 answers so for a missing object."""
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
def test_other_paths_are_404_with_a_problem(recorded: Nginx, service: Recorder, bucket: Recorder, target: str) -> None:
    answer = ask(recorded.port, target)

    assert answer.status == (400 if target == "*" else 404)
    assert answer.problem["status"] == answer.status
    assert answer.headers["Cache-Control"] == "no-store"
    assert service.seen == bucket.seen == []


def test_nginxs_health_needs_neither_s3_nor_the_service(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    answer = ask(recorded.port, "/nginx-health")

    assert (answer.status, answer.body) == (200, b"ok\n")
    assert service.seen == bucket.seen == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "TRACE"])
@pytest.mark.parametrize("target", ["/prew/card/a.jpg", "/photo/a.jpg", "/"])
def test_other_methods_are_405_with_allow_and_reach_no_upstream(
    recorded: Nginx, service: Recorder, bucket: Recorder, method: str, target: str
) -> None:
    answer = ask(recorded.port, target, method, {"Content-Length": "5000"}, b"x" * 5000)

    assert (answer.status, answer.problem["title"]) == (405, "Method Not Allowed")
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.headers["Cache-Control"] == "no-store"
    assert service.seen == bucket.seen == []


@pytest.mark.parametrize("target", ["/prew/card/a.jpg", "evil.test:443"])
def test_connect_is_refused(recorded: Nginx, service: Recorder, bucket: Recorder, target: str) -> None:
    """As a method, or as malformed by an nginx with support for forward proxying."""
    answer = ask(recorded.port, target, "CONNECT")

    assert answer.status in {400, 405}
    assert answer.problem["status"] == answer.status
    assert service.seen == bucket.seen == []
