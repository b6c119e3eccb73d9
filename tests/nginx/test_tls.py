"""S3 over TLS: SNI, and the check of the certificate."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder, recording
from tests.support.asking import ask
from tests.support.certificates import self_signed

HOST = "photos.s3.test"


@pytest.fixture(scope="session", name="certificate")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for the bucket's host, with its key, in one file."""
    return self_signed(tmp_path_factory.mktemp("tls") / "s3.pem", f"DNS:{HOST}")


@pytest.fixture(name="names")
def _names() -> list[str | None]:
    """The server names that clients of the TLS bucket asked for."""
    return []


@pytest.fixture(name="secure_bucket")
def _secure_bucket(certificate: Path, names: list[str | None]) -> Iterator[Recorder]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _, name, __: names.append(name)
    with recording("secure bucket", context) as recorder:
        yield recorder


def variables(bucket: Recorder, host: str, authorities: Path) -> dict[str, str]:
    """Virtual-hosted style over TLS."""
    return {
        "PREW_NGINX_S3_SERVER": bucket.address,
        "PREW_NGINX_S3_SCHEME": "https",
        "PREW_NGINX_S3_HOST": host,
        "PREW_NGINX_BUCKET_PATH": "",
        "PREW_NGINX_CA_FILE": str(authorities),
        "PREW_NGINX_SERVICES": "127.0.0.1:9",
    }


def test_server_name_host_header_and_checked_name_are_the_buckets(
    start: StartNginx, secure_bucket: Recorder, certificate: Path, names: list[str | None]
) -> None:
    nginx = start(variables(secure_bucket, HOST, certificate))

    answer = ask(nginx.port, "/photo/a+b.jpg?acl")

    assert (answer.status, answer.body) == (200, b"from secure bucket")
    assert names == [HOST]
    assert [(seen.target, seen.headers["Host"]) for seen in secure_bucket.seen] == [("/photo/a%2Bb.jpg", HOST)]


@pytest.mark.fault("s3-certificate")
def test_a_certificate_for_another_host_is_502(start: StartNginx, secure_bucket: Recorder, certificate: Path) -> None:
    nginx = start(variables(secure_bucket, "other.s3.test", certificate))

    assert ask(nginx.port, "/photo/a.jpg").status == 502
    assert secure_bucket.seen == []


@pytest.mark.fault("s3-certificate")
def test_a_certificate_of_an_unknown_authority_is_502(start: StartNginx, secure_bucket: Recorder) -> None:
    nginx = start(variables(secure_bucket, HOST, Path("/etc/ssl/certs/ca-certificates.crt")))

    assert ask(nginx.port, "/photo/a.jpg").status == 502
    assert secure_bucket.seen == []
