"""The service with a resize server in the place of Lambda, over real S3, Redis and processes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import pyvips

from devstack.backends import S3, Redis, s3_client
from devstack.programs import Program, answers, find, free_ports
from tests.support.asking import ask
from tests.support.site import service_environment

WAITERS = 60


@pytest.fixture(name="ports")
def _ports(s3: S3, redis_server: Redis, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The ports of a service and of its resize server."""
    service, resizer = free_ports(2)
    by_http = {
        "PREW_LAMBDA_FUNCTION": "",
        "PREW_RESIZER_URL": f"http://127.0.0.1:{resizer}",
        "PREW_RESIZER_TOKEN": "t",
    } | {"PREW_PRESETS__CARD__WIDTH": "300"}
    environment = service_environment(s3, redis_server, "") | by_http
    command = find("prewmanager")
    programs = [
        Program("resizer", [command, "resize-server", "--port", str(resizer)], tmp_path / "resizer.log", environment),
        Program("service", [command, "serve"], tmp_path / "log", {**environment, "PREW_PORT": str(service)}),
    ]
    programs[0].wait_ready(lambda: answers(resizer))
    programs[1].wait_ready(lambda: answers(service))
    yield service, resizer
    for program in programs:
        program.stop()


def test_waiters_share_what_a_resize_server_renders_once(ports: tuple[int, int], s3: S3) -> None:
    service, resizer = ports
    s3_client(s3).put_object(
        Bucket=s3.bucket, Key="photo/http.jpg", Body=pyvips.Image.black(900, 600, bands=3).jpegsave_buffer()
    )

    with ThreadPoolExecutor(WAITERS) as pool:
        found = list(pool.map(lambda _: ask(service, "/prew/card/http.jpg"), range(WAITERS)))
    missing = ask(service, "/prew/card/nowhere.jpg")

    assert {answer.status for answer in found} == {200}
    assert len({answer.body for answer in found}) == 1
    assert missing.status == 404
    with urllib.request.urlopen(f"http://127.0.0.1:{resizer}/healthz", timeout=20) as response:
        assert json.load(response)["rendered"] == 2
    assert json.loads(ask(service, "/readyz").body)["resize_server"] == "ok"
