"""The parts of a request that reach S3 and the service."""

from __future__ import annotations

import re

import pytest

from devstack.nginx_server import Nginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import ask

HOSTILE_HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=x",
    "Cookie": "session=1",
    "x-amz-security-token": "t",
    "x-amz-request-payer": "requester",
    "X-Forwarded-For": "10.0.0.1",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Proto": "gopher",
    "Origin": "https://evil.test",
    "User-Agent": "somebody",
    "Accept-Encoding": "gzip",
    "TE": "trailers",
    "Proxy": "evil",
    "X-Accel-Redirect": "/photo/other.jpg",
}
CONDITIONS = {
    "Range": "bytes=0-9",
    "If-Range": '"r"',
    "If-Match": '"m"',
    "If-None-Match": '"n"',
    "If-Modified-Since": "Thu, 01 Jan 2026 00:00:00 GMT",
    "If-Unmodified-Since": "Thu, 01 Jan 2026 00:00:01 GMT",
}


def test_s3_gets_the_conditions_and_nothing_else(recorded: Nginx, bucket: Recorder) -> None:
    ask(recorded.port, "/photo/a.jpg", headers={**HOSTILE_HEADERS, **CONDITIONS})

    assert dict(bucket.seen[0].headers) == {"Host": "photos.s3.test", **CONDITIONS}


def test_s3_gets_no_empty_headers(recorded: Nginx, bucket: Recorder) -> None:
    ask(recorded.port, "/photo/a.jpg")

    assert dict(bucket.seen[0].headers) == {"Host": "photos.s3.test"}


def test_the_service_gets_no_range_and_no_credentials(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(403)
    headers = {**HOSTILE_HEADERS, **CONDITIONS, "Accept": "image/avif", "X-Request-Id": "abc-123.def_4"}

    ask(recorded.port, "/prew/card/a.jpg", headers=headers)

    seen = dict(service.seen[0].headers)
    assert re.fullmatch(r"\d{10}\.\d{3} \d+\.\d{3} \d+\.\d{3}.*", seen.pop("X-Proxy-Times"))
    assert seen == {
        "Host": "previews.test",
        "Accept": "image/avif",
        "If-None-Match": '"n"',
        "X-Request-Id": "abc-123.def_4",
        "X-Forwarded-For": "10.0.0.1, 127.0.0.1",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "previews.test",
    }


@pytest.mark.parametrize("sent", [None, "short", "with space and more", 'quote"quote', "x" * 65, "semi;colon"])
def test_a_malformed_id_is_replaced(recorded: Nginx, service: Recorder, bucket: Recorder, sent: str | None) -> None:
    bucket.respond = lambda _: Reply(404)

    answer = ask(recorded.port, "/prew/card/a.jpg", headers={"X-Request-Id": sent} if sent else {})

    given = service.seen[0].headers["X-Request-Id"]
    assert len(given) == 32
    assert int(given, 16)
    assert answer.headers.get_all("X-Request-Id") == [given]


@pytest.mark.parametrize(
    ("sent", "given"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",) * 2,
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None),
        ("anything", None),
    ],
)
def test_only_a_well_formed_traceparent_reaches_the_service(
    recorded: Nginx, service: Recorder, bucket: Recorder, sent: str, given: str | None
) -> None:
    bucket.respond = lambda _: Reply(404)

    ask(recorded.port, "/prew/card/a.jpg", headers={"traceparent": sent})

    assert service.seen[0].headers["traceparent"] == given


@pytest.mark.parametrize("target", ["/photo/a.jpg", "/prew/card/a.jpg"])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_is_dropped(recorded: Nginx, service: Recorder, bucket: Recorder, target: str, *, chunked: bool) -> None:
    bucket.respond = lambda _: Reply(404)
    headers = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": "5"}

    ask(recorded.port, target, headers=headers, body=b"5\r\nhello\r\n0\r\n\r\n" if chunked else b"hello")

    for seen in [*bucket.seen, *service.seen]:
        assert seen.body == b""
        assert {"Content-Length", "Transfer-Encoding"}.isdisjoint(seen.headers)


def test_a_large_body_is_413(recorded: Nginx, bucket: Recorder) -> None:
    answer = ask(recorded.port, "/photo/a.jpg", headers={"Content-Length": "2000"}, body=b"x" * 2000)

    assert (answer.status, answer.problem["status"]) == (413, 413)
    assert bucket.seen == []


def test_headers_in_an_objects_metadata_have_no_effect(recorded: Nginx, bucket: Recorder) -> None:
    inner = {
        "X-Accel-Redirect": "/nginx-health",
        "Set-Cookie": "a=b",
        "x-amz-version-id": "3",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:x",
        "X-Content-Type-Options": "none",
        "Content-Security-Policy": "default-src *",
    }
    bucket.respond = lambda _: Reply(200, b"object", inner)

    answer = ask(recorded.port, "/photo/a.jpg")

    assert answer.body == b"object"
    assert {"Set-Cookie", "x-amz-version-id"}.isdisjoint(answer.headers)
    assert not any("kms" in name for name in answer.headers)
    assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert len(answer.headers.get_all("Content-Security-Policy", [])) == 1


def test_requests_share_a_connection_to_each_upstream(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)
    before = (bucket.connections, service.connections)
    for number in range(5):
        ask(recorded.port, f"/prew/card/{number}.jpg")

    assert bucket.connections - before[0] <= 1
    assert service.connections - before[1] <= 1
    assert len(service.seen) == 5
