"""TLS and HTTP/2 to clients, with the answers and the requests upstream that HTTP/1.1 has."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devstack.nginx_server import Nginx
from devstack.programs import LOOPBACK
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.certificates import self_signed

HOST = "previews.test"


@pytest.fixture(scope="session", name="certificate_of_nginx")
def _certificate_of_nginx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "nginx.pem", f"IP:{LOOPBACK}")


@pytest.fixture(scope="module", name="secure")
def _secure(start: StartNginx, recorders: dict[str, str], certificate_of_nginx: Path) -> Nginx:
    return start({**recorders, "PREW_NGINX_TLS_CERTIFICATE": str(certificate_of_nginx)})


@pytest.fixture(name="client")
def _client(secure: Nginx, certificate_of_nginx: Path) -> Iterator[httpx.Client]:
    trusted = ssl.create_default_context(cafile=certificate_of_nginx)
    with httpx.Client(http2=True, verify=trusted, base_url=f"https://{LOOPBACK}:{secure.port}") as client:
        yield client


def test_previews_photos_and_problems_come_by_http2(client: httpx.Client, bucket: Recorder, service: Recorder) -> None:
    bucket.respond = lambda seen: Reply(404) if seen.target.startswith("/photos/prew/") else bucket.usual(seen)
    photo, preview = client.get("/photo/a.jpg"), client.get("/prew/card/a.jpg")
    problems = [client.post("/photo/a.jpg"), client.get("/photo//a.jpg")]

    assert {answer.http_version for answer in (photo, preview, *problems)} == {"HTTP/2"}
    assert (photo.content, preview.content) == (b"from bucket", b"from service")
    assert [answer.status_code for answer in problems] == [405, 400]
    assert {answer.headers["Content-Type"] for answer in problems} == {"application/problem+json"}
    assert service.seen[0].target == "/prew/card/a.jpg"


@pytest.mark.parametrize("path", ["/photo/a%20b/%C3%BC%2B%25.jpg", "/photo/a+b.jpg", "/photo/a.jpg?acl"])
def test_s3_gets_the_same_request_as_by_http1(
    client: httpx.Client, recorded: Nginx, bucket: Recorder, path: str
) -> None:
    client.get(path)
    httpx.get(f"http://{LOOPBACK}:{recorded.port}{path}")

    assert bucket.seen[0].target == bucket.seen[1].target


async def test_a_page_of_a_hundred_previews_shares_one_connection(
    secure: Nginx, certificate_of_nginx: Path, bucket: Recorder
) -> None:
    assert bucket.seen == []
    trusted = ssl.create_default_context(cafile=certificate_of_nginx)
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(http2=True, http1=False, verify=trusted, limits=limits) as client:
        urls = [f"https://{LOOPBACK}:{secure.port}/photo/{number}.jpg" for number in range(100)]
        answers = await asyncio.gather(*(client.get(url) for url in urls))

    assert {(answer.status_code, answer.http_version) for answer in answers} == {(200, "HTTP/2")}


def test_a_head_that_is_too_large_ends_the_connection(client: httpx.Client, bucket: Recorder) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="error_code:11"):  # ENHANCE_YOUR_CALM
        client.get("/photo/a.jpg", headers={"X": "x" * 40_000})

    assert bucket.seen == []


def test_old_versions_of_tls_are_refused(secure: Nginx, certificate_of_nginx: Path) -> None:
    old = ssl.create_default_context(cafile=certificate_of_nginx)
    old.set_ciphers("ALL:@SECLEVEL=0")  # whose own policy refuses it before nginx does
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((LOOPBACK, secure.port)) as connection,
        old.wrap_socket(connection, server_hostname=LOOPBACK, do_handshake_on_connect=False) as encrypted,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        encrypted.do_handshake()
