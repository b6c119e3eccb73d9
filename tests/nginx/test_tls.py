"""S3 over TLS: the right name asked for, the certificate checked."""

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
    """A certificate for the bucket's host that is its own authority, and its key, in one file."""
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


def test_a_bucket_over_tls(
    start: StartNginx, secure_bucket: Recorder, certificate: Path, names: list[str | None]
) -> None:
    """Server name, Host header and checked name are the bucket's, and the path has no bucket in front."""
    nginx = start(variables(secure_bucket, HOST, certificate))

    answer = ask(nginx.port, "/photo/a+b.jpg?acl")

    assert (answer.status, answer.body) == (200, b"from secure bucket")
    assert names == [HOST]
    assert [(seen.target, seen.headers["Host"]) for seen in secure_bucket.seen] == [("/photo/a%2Bb.jpg", HOST)]


def test_another_name_is_refused(start: StartNginx, secure_bucket: Recorder, certificate: Path) -> None:
    """A certificate for another host is none: 502, and no request is sent."""
    nginx = start(variables(secure_bucket, "other.s3.test", certificate))

    assert ask(nginx.port, "/photo/a.jpg").status == 502
    assert secure_bucket.seen == []


def test_an_unknown_authority_is_refused(start: StartNginx, secure_bucket: Recorder) -> None:
    """The system's authorities do not know this certificate: 502, and no request is sent."""
    nginx = start(variables(secure_bucket, HOST, Path("/etc/ssl/certs/ca-certificates.crt")))

    assert ask(nginx.port, "/photo/a.jpg").status == 502
    assert secure_bucket.seen == []
