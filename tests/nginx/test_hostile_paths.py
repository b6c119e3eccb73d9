"""Ambiguous paths are refused before they reach S3 or the service."""

from __future__ import annotations

import socket

import pytest

from devstack.nginx_server import Nginx
from devstack.programs import LOOPBACK
from tests.nginx.conftest import BUCKET_PATH
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import ask

TRAVERSALS = [
    b"/photo/../prew/card/a.jpg",
    b"/photo/..",
    b"/photo/.",
    b"/photo/./a.jpg",
    b"/prew/card/a/../b.jpg",
    b"/prew/card/%2e%2e/a.jpg",
    b"/prew/card/%2E%2E%2Fa.jpg",
    b"/prew/card/.%2e/a.jpg",
    b"/prew/card/%2e/a.jpg",
    b"/prew/card/..%2fa.jpg",
    b"/prew/card%2f..%2fa.jpg",
    b"/prew/card/..%5ca.jpg",
    b"/prew/card%5C..%5Ca.jpg",
    b"/prew/card/..\\a.jpg",
    b"/prew/card/a.jpg%2f..",
    b"/prew/card/a.jpg\\..",
    b"/photo/../../../etc/passwd",
    b"/../photo/a.jpg",
    b"/other/../photo/a.jpg",
    b"/%2e%2e/photo/a.jpg",
    b"/photo/..;/a.jpg/../b",
    b"/photo/a.jpg/..?x",
]
EMPTY_SEGMENTS = [
    b"/photo//a.jpg",
    b"/photo/%2Fa.jpg",
    b"/photo/a%2f%2Fb.jpg",
    b"/photo/a%2f/b.jpg",
    b"/photo/a\\\\b.jpg",
    b"/photo/a%5c/b.jpg",
    b"//photo/a.jpg",
    b"///prew/card/a.jpg",
    b"/photo/",
    b"/prew/",
    b"/prew/card/",
    b"/prew/card/a%2F",
]
CONTROLS = [
    b"/photo/a%00.jpg",
    b"/photo/a%0d%0aX-Evil:%201",
    b"/photo/a%0Ab",
    b"/photo/a%1f",
    b"/photo/a%09b",
    b"/photo/a%7Fb",
    b"/photo/a%7fb",
    b"/photo/a\x7fb",
    b"/photo/a\x01b",
    b"/photo/a\tb",
]
MALFORMED = [
    b"/photo/a b.jpg",
    b"/photo/%zz",
    b"/photo/a%",
    b"/photo/a%4",
    b"/photo/a%%41",
    b"/prew/card/a#b",
    b"/prew/card/a#/../b",
    "/photo/весна.jpg".encode(),
    b"/photo/\xff\xfe",
    b"photo/a.jpg",
    b"http://previews.test/photo/../prew/card/a.jpg",
    b"/%70hoto/a.jpg",
    b"/photo%2fa.jpg",
    b"/prew%2Fcard%2Fa.jpg",
    b"/prew%2Fcard/a.jpg",
]
# S3 itself refuses these, and its 400 would be taken for a failure.
IMPOSSIBLE_KEYS = [
    b"/photo/%ff%fe.jpg",
    b"/photo/%c0%ae%c0%ae/a",
    b"/photo/a%d0",
    b"/photo/%80a",
    b"/photo/%ed%a0%80",
    b"/photo/%f4%90%80%80",
    b"/photo/%E3%81a",
    b"/prew/card/%ff%fe.jpg",
    b"/photo/" + b"a" * 1019,
    b"/photo/" + b"%D1%84" * 509 + b"a",
]
BODIES = [
    (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"Content-Length: 5000\r\n\r\n" + b"x" * 5000, 413),
    (b"Transfer-Encoding: chunked\r\n\r\n1388\r\n" + b"x" * 5000, 413),
]


@pytest.mark.parametrize("target", [*TRAVERSALS, *EMPTY_SEGMENTS, *CONTROLS, *MALFORMED, *IMPOSSIBLE_KEYS])
@pytest.mark.fault("hostile-paths")
def test_a_bad_path_is_400_and_stops_here(recorded: Nginx, service: Recorder, bucket: Recorder, target: bytes) -> None:
    answer = ask(recorded.port, target)

    assert answer.status == 400
    assert answer.problem["title"] == "Bad Request"
    assert b"nginx" not in answer.body
    assert answer.headers["Server"] == "nginx"
    assert service.seen == bucket.seen == []


@pytest.mark.parametrize("prefix", [b"/photo/", b"/prew/card/", b"/"])
@pytest.mark.fault("hostile-paths")
def test_a_request_line_above_8_kb_is_414(recorded: Nginx, service: Recorder, bucket: Recorder, prefix: bytes) -> None:
    answer = ask(recorded.port, prefix + b"a" * 9000)

    assert (answer.status, answer.problem["status"]) == (414, 414)
    assert service.seen == bucket.seen == []


def test_headers_above_8_kb_are_431(recorded: Nginx, bucket: Recorder) -> None:
    answer = ask(recorded.port, "/photo/a.jpg", headers={"Cookie": "c" * 9000})

    assert (answer.status, answer.problem["status"]) == (431, 431)
    assert bucket.seen == []


@pytest.mark.parametrize("target", [b"/photo/a.jpg", b"/prew/card/a.jpg"])
@pytest.mark.parametrize(("body", "status"), BODIES)
@pytest.mark.fault("hostile-paths")
def test_a_refused_body_stops_here(  # noqa: PLR0917 -- pytest's fixtures
    recorded: Nginx, service: Recorder, bucket: Recorder, target: bytes, body: bytes, status: int
) -> None:
    with socket.create_connection((LOOPBACK, recorded.port), timeout=10) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: previews.test\r\nConnection: close\r\n" + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert f'"status":{status},'.encode() in answer
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert service.seen == bucket.seen == []


@pytest.mark.parametrize(
    "target",
    [
        b"/prew/card/%252e%252e/a",
        b"/prew/card/%F0%9F%8C%BB%e3%81%82%D1%84%c3%a9.jpg",
        b"/prew/card/" + b"%D1%84" * 507,
        b"/prew/card/" + b"a" * 1014,
    ],
)
def test_other_bytes_pass_unchanged(recorded: Nginx, service: Recorder, bucket: Recorder, target: bytes) -> None:
    bucket.respond = lambda _: Reply(404)

    ask(recorded.port, target)

    assert [seen.target for seen in bucket.seen] == [BUCKET_PATH + target.decode()]
    assert [seen.target for seen in service.seen] == [target.decode()]


@pytest.mark.parametrize("target", [b"/photo/...", b"/photo/a..b", b"/photo/..a", b"/photo/a.", b"/photo/.a/b"])
def test_only_whole_segments_of_one_or_two_dots_are_refused(recorded: Nginx, bucket: Recorder, target: bytes) -> None:
    assert ask(recorded.port, target).status == 200
    assert [seen.target for seen in bucket.seen] == [BUCKET_PATH + target.decode()]


def test_of_the_absolute_form_only_the_path_is_used(recorded: Nginx, bucket: Recorder) -> None:
    assert ask(recorded.port, b"http://evil.test/photo/a.jpg?x").status == 200
    assert [(seen.target, seen.headers["Host"]) for seen in bucket.seen] == [
        (f"{BUCKET_PATH}/photo/a.jpg", "photos.s3.test")
    ]


@pytest.mark.parametrize(
    "head", [b"GET /photo/a.jpg HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n"]
)
def test_a_malformed_request_gets_a_problem_body(recorded: Nginx, bucket: Recorder, head: bytes) -> None:
    with socket.create_connection((LOOPBACK, recorded.port), timeout=10) as connection:
        connection.sendall(head)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert b'"title":"Bad Request","status":400' in answer
    assert bucket.seen == []
