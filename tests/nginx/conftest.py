"""nginx between real or recording upstreams, each started once; recordings are cleared before every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from devstack.backends import S3, s3_client
from devstack.nginx_server import Nginx, start_nginx
from tests.nginx.recorder import Recorder, recording

StartNginx = Callable[[Mapping[str, str]], Nginx]
Put = Callable[..., str]
BUCKET_PATH = "/photos"


@pytest.fixture(scope="session", name="start")
def _start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartNginx]:
    """Starts nginx for the session, with these variables on top of plain HTTP to a path-style bucket."""
    running: list[Nginx] = []

    def start(variables: Mapping[str, str]) -> Nginx:
        usual = {"PREW_NGINX_S3_SCHEME": "http", "PREW_NGINX_BUCKET_PATH": BUCKET_PATH, "PREW_NGINX_WORKERS": "1"}
        running.append(start_nginx(tmp_path_factory.mktemp("nginx"), {**usual, **variables}))
        return running[-1]

    yield start
    for nginx in running:
        nginx.program.stop()


@pytest.fixture(scope="session", name="service_all_session")
def _service_all_session() -> Iterator[Recorder]:
    with recording("service") as recorder:
        yield recorder


@pytest.fixture(scope="session", name="bucket_all_session")
def _bucket_all_session() -> Iterator[Recorder]:
    with recording("bucket") as recorder:
        yield recorder


@pytest.fixture(name="service")
def _service(service_all_session: Recorder) -> Recorder:
    """The recorder in the place of prewmanager."""
    service_all_session.reset()
    return service_all_session


@pytest.fixture(name="bucket")
def _bucket(bucket_all_session: Recorder) -> Recorder:
    """The recorder in the place of S3, for checks of each byte."""
    bucket_all_session.reset()
    return bucket_all_session


@pytest.fixture(scope="session", name="front")
def _front(start: StartNginx, s3: S3, service_all_session: Recorder) -> Nginx:
    """Nginx in front of a real S3 and a recording service."""
    return start({"PREW_NGINX_S3_SERVER": f"127.0.0.1:{s3.port}", "PREW_NGINX_SERVICES": service_all_session.address})


@pytest.fixture(scope="session", name="recorders")
def _recorders(bucket_all_session: Recorder, service_all_session: Recorder) -> dict[str, str]:
    """Variables for the recorders in the place of S3 and prewmanager."""
    return {"PREW_NGINX_S3_SERVER": bucket_all_session.address, "PREW_NGINX_SERVICES": service_all_session.address}


@pytest.fixture(scope="session", name="recorded")
def _recorded(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    """Nginx in front of two recorders."""
    return start({**recorders, "PREW_NGINX_S3_HOST": "photos.s3.test"})


@pytest.fixture(scope="session", name="put")
def _put(s3: S3) -> Put:
    """Puts an object into the real bucket, under exactly this key."""
    client = s3_client(s3)

    def put(key: str, body: bytes, **extra: Any) -> str:
        return str(client.put_object(Bucket=s3.bucket, Key=key, Body=body, **extra)["ETag"])

    return put
