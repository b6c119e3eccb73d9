"""Clients' headers: what S3 and the service get of them is printable and bounded, whatever they are."""

from __future__ import annotations

import socket

import pytest

from devstack.nginx_server import Nginx
from devstack.programs import LOOPBACK
from tests.nginx.recorder import Recorder, Reply

HEADERS = (
    "Accept",
    "If-None-Match",
    "If-Match",
    "If-Range",
    "Range",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "X-Forwarded-For",
    "X-Request-Id",
    "traceparent",
)
HOSTILE = [b"image/avif\x01", b"\x7f", b"\xc3\xbc", b"\x80\xff", b"x" * 7000, b"a\x0bb"]


def _ask(port: int, path: str, *lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    head = b"\r\n".join([b"GET %s %s" % (path.encode(), version), b"Host: previews.test", b"Connection: close", *lines])
    with socket.create_connection((LOOPBACK, port), timeout=20) as connection:
        connection.sendall(head + b"\r\n\r\n")
        with connection.makefile("rb") as answer:
            return answer.read()


@pytest.mark.fault("client-headers")
@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", HEADERS)
def test_what_is_passed_on_is_printable_and_bounded(
    recorded: Nginx, service: Recorder, bucket: Recorder, name: str, value: bytes
) -> None:
    bucket.respond = lambda _: Reply(404)
    answer = _ask(recorded.port, "/prew/card/a.jpg", name.encode() + b": " + value)

    assert answer.startswith(b"HTTP/1.1 200")
    assert (len(bucket.seen), len(service.seen)) == (1, 1)
    for seen in (*bucket.seen, *service.seen):
        values = list(seen.headers.values())
        assert all(each.isascii() and each.isprintable() for each in values)
        assert max(map(len, values)) < 200


@pytest.mark.fault("client-headers")
def test_a_real_browsers_headers_pass_unchanged(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    accept = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
    bucket.respond = lambda _: Reply(404)
    lines = (f"Accept: {accept}", 'If-None-Match: W/"0123"', "X-Forwarded-For: 192.0.2.1, 2001:db8::1")
    _ask(recorded.port, "/prew/card/a.jpg", *(line.encode() for line in lines))

    headers = service.seen[0].headers
    assert (headers["Accept"], headers["If-None-Match"]) == (accept, '"0123"')
    assert headers["X-Forwarded-For"] == "192.0.2.1, 2001:db8::1, 127.0.0.1"
    assert headers["X-Forwarded-Host"] == "previews.test"


@pytest.mark.fault("client-headers")
@pytest.mark.parametrize(
    ("lines", "version", "status"),
    [
        ((b"Transfer-Encoding: gzip",), b"HTTP/1.1", b"501 "),
        ((b"Transfer-Encoding: chunked, gzip",), b"HTTP/1.1", b"501 "),
        ((), b"HTTP/2.0", b"505 "),
        ((), b"HTTP/9.9", b"505 "),
    ],
)
def test_what_nginx_itself_cannot_do_has_a_problem_body(
    recorded: Nginx, bucket: Recorder, lines: tuple[bytes, ...], version: bytes, status: bytes
) -> None:
    answer = _ask(recorded.port, "/photo/a.jpg", *lines, version=version)

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"application/problem+json" in answer
    assert b'"status":%s' % status.strip() in answer
    assert bucket.seen == []
