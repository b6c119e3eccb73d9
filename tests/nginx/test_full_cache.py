"""A cache whose volume is full: nginx says so, and S3 answers each request."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.backends import S3
from devstack.nginx_server import Nginx, effective_environment, start_nginx
from devstack.programs import ProgramError
from tests.nginx.conftest import BUCKET_PATH, Put
from tests.nginx.recorder import Recorder
from tests.support.asking import ask

MB = 2**20
FULL = b"ok, without the cache: its volume is full\n"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a volume")


@pytest.fixture(name="volume")
def _volume(tmp_path: Path) -> Iterator[Path]:
    """A volume of 200 MB."""
    folder = tmp_path / "volume"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this root may not mount a volume")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(name="nginx")
def _nginx(volume: Path, tmp_path: Path, s3: S3, service: Recorder) -> Iterator[Nginx]:
    variables = {
        "PREW_NGINX_S3_SERVER": f"127.0.0.1:{s3.port}",
        "PREW_NGINX_S3_SCHEME": "http",
        "PREW_NGINX_BUCKET_PATH": BUCKET_PATH,
        "PREW_NGINX_SERVICES": service.address,
        "PREW_NGINX_CACHE": "on",
        "PREW_NGINX_CACHE_SIZE": "64m",
        "PREW_NGINX_STATE_PATH": str(volume),
    }
    nginx = start_nginx(tmp_path / "nginx", variables)
    yield nginx
    nginx.program.stop()


def _until_health_says(nginx: Nginx, text: bytes) -> None:
    pause = threading.Event()
    while ask(nginx.port, "/nginx-health").body != text:
        pause.wait(0.05)


def _until_hit(nginx: Nginx, path: str) -> None:
    """Return when the cache answers: each worker of nginx learns within a second that there is room again."""
    pause = threading.Event()
    while ask(nginx.port, path).headers["X-Cache"] != "HIT":
        pause.wait(0.05)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(MB)):
            pass


@pytest.mark.fault("cache-volume-full")
def test_objects_come_from_s3_while_the_caches_volume_is_full(nginx: Nginx, volume: Path, put: Put) -> None:
    photos = {f"photo/full/{number}.jpg": os.urandom(MB) for number in range(60)}
    for key, body in photos.items():
        put(key, body)
    first = next(iter(photos))
    ask(nginx.port, f"/{first}")
    assert ask(nginx.port, f"/{first}").headers["X-Cache"] == "HIT"
    assert ask(nginx.port, "/nginx-health").body == b"ok\n"

    # Another program fills the volume.
    _fill(volume / "other")
    _until_health_says(nginx, FULL)
    answers = {key: ask(nginx.port, f"/{key}") for key in photos}

    assert [key for key, answer in answers.items() if answer.body != photos[key]] == []
    assert {answer.status for answer in answers.values()} == {200}
    (volume / "other").unlink()
    _until_health_says(nginx, b"ok\n")
    _until_hit(nginx, f"/{first}")


@pytest.mark.fault("cache-volume-full")
def test_a_cache_larger_than_its_volume_is_refused_at_start(volume: Path) -> None:
    variables = {"PREW_NGINX_S3_SERVER": "s3:443", "PREW_NGINX_CACHE": "on", "PREW_NGINX_STATE_PATH": str(volume / "x")}

    with pytest.raises(ProgramError, match=r"PREW_NGINX_CACHE_SIZE=1g needs a volume of 1152 MB, but .* has 200 MB"):
        effective_environment(variables)
    with pytest.raises(ProgramError, match="PREW_NGINX_CACHE_SIZE=73m needs a volume of 201 MB"):
        effective_environment(variables | {"PREW_NGINX_CACHE_SIZE": "73m"})
    effective_environment(variables | {"PREW_NGINX_CACHE_SIZE": "72m"})
    effective_environment(variables | {"PREW_NGINX_CACHE": "off"})
