"""A folder of files at `/`, and the access log."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from devstack.nginx_server import SOURCES, Nginx, effective_environment
from devstack.programs import ProgramError
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import ask
from tests.support.prometheus import mtail

MOST_BYTES = 64 * 1024 * 1024  # of log-watch.sh


@pytest.fixture(scope="module", name="site")
def _site(start: StartNginx, recorders: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Nginx:
    """Nginx with a folder of files, one of them at a photo's path, and a file outside of it."""
    outside = tmp_path_factory.mktemp("outside")
    folder = outside / "www"
    (folder / "empty").mkdir(parents=True)
    (folder / "photo").mkdir()
    (folder / "index.html").write_text("<p>hello")
    (folder / "app.css").write_text("p {}")
    (folder / "photo" / "a.jpg").write_text("not this one")
    (outside / "secret").write_text("secret")
    return start({**recorders, "PREW_NGINX_WWW": str(folder)})


def test_files_are_served_by_type_to_get_and_head(site: Nginx) -> None:
    index, style = ask(site.port, "/"), ask(site.port, "/app.css", "HEAD")

    assert (index.status, index.body, index.headers["Content-Type"]) == (200, b"<p>hello", "text/html")
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css")
    assert index.headers["X-Content-Type-Options"] == "nosniff"
    assert ask(site.port, "/", "POST").status == 405


@pytest.mark.parametrize("target", ["/none", "/empty/", "/-/health", "/app.css/x", "/photo", "/prew"])
def test_missing_files_and_the_services_internal_addresses_are_404(site: Nginx, target: str) -> None:
    answer = ask(site.port, target)

    assert (answer.status, answer.problem["title"]) == (404, "Not Found")


@pytest.mark.parametrize("target", ["/../secret", "/%2e%2e/secret", "/empty/..%2f..%2fsecret", "/x/../index.html"])
def test_dot_segments_are_refused_for_files_too(site: Nginx, target: str) -> None:
    assert ask(site.port, target).status == 400


def test_a_file_under_the_photos_prefix_hides_no_photo(site: Nginx, bucket: Recorder) -> None:
    assert ask(site.port, "/photo/a.jpg").body == b"from bucket"
    assert len(bucket.seen) == 1


def logged(nginx: Nginx, request_id: str) -> dict[str, Any]:
    """Return the log's line about one request, once nginx has written it."""
    found: list[dict[str, Any]] = []

    def written() -> bool:
        # nginx writes what clients sent, which need not be UTF-8.
        lines = nginx.access_log.read_text(errors="replace").splitlines()
        found[:] = [entry for entry in map(json.loads, lines) if entry["request_id"] == request_id]
        return bool(found)

    nginx.program.wait_ready(written)
    return found[0]


def test_a_log_line_has_request_upstreams_and_times(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)
    headers = {"X-Request-Id": "log-test-0001", "User-Agent": 'quo"te\\ and \x01 byte'}

    ask(recorded.port, "/prew/card/%22a%22.jpg?q=1", headers=headers)

    entry = logged(recorded, "log-test-0001")
    assert entry["status"] == 200
    assert entry["method"] == "GET"
    assert entry["uri"] == "/prew/card/%22a%22.jpg?q=1"
    assert entry["upstream"] == f"{bucket.address} : {service.address}"
    assert entry["upstream_status"] == "404 : 200"
    times = ("upstream_connect_seconds", "upstream_header_seconds", "upstream_seconds")
    assert all([float(each) >= 0 for each in entry[name].split(" : ")] == [True, True] for name in times)
    assert entry["preview"] == "made"
    assert entry["seconds"] >= 0
    assert entry["bytes"] == len("from service")
    assert entry["user_agent"] == headers["User-Agent"]


def test_refusals_are_logged_without_an_upstream(recorded: Nginx) -> None:
    ask(recorded.port, "/photo/../x", headers={"X-Request-Id": "log-test-0002"})

    entry = logged(recorded, "log-test-0002")
    assert (entry["status"], entry["upstream"], entry["upstream_status"]) == (400, "", "")


def test_a_copy_of_the_log_stays_small_and_mtail_counts_on(
    start: StartNginx, recorders: dict[str, str], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.json"
    copy.touch()
    os.truncate(copy, MOST_BYTES + 1)
    counting, address = mtail(tmp_path, copy)
    try:
        nginx = start({**recorders, "PREW_NGINX_LOG_COPY": str(copy)})
        nginx.program.wait_ready(lambda: copy.stat().st_size <= MOST_BYTES)
        for _ in range(3):
            ask(nginx.port, "/photo/a.jpg")
        nginx.program.wait_ready(lambda: _counted(address) == 3)
    finally:
        counting.stop()

    assert copy.read_text() == nginx.access_log.read_text()


def _counted(address: str) -> int:
    with urlopen(f"http://{address}/metrics") as response:
        families = list(text_string_to_metric_families(response.read().decode()))
    counted = (each.samples for each in families if each.name == "prewmanager_nginx_requests")
    return int(sum(sample.value for samples in counted for sample in samples))


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"PREW_NGINX_LOG_COPY": "access.json"}, "absolute path"),
        ({"PREW_NGINX_LOG_COPY": "/var/log/"}, "absolute path"),
        ({"PREW_NGINX_LOG_COPY": "/var/log/a;b"}, "absolute path"),
        ({"PREW_NGINX_LOG_COPY": "/var/log/a", "PREW_NGINX_ACCESS_LOG": "/var/log/a"}, "another file than"),
        ({"PREW_NGINX_LOG_COPY": "/no/such/folder/a"}, "may write to, not /no/such/folder"),
    ],
)
def test_a_wrong_copy_is_refused_by_its_name(variables: dict[str, str], says: str) -> None:
    with pytest.raises(ProgramError, match=f"PREW_NGINX_LOG_COPY must be .*{says}"):
        effective_environment({"PREW_NGINX_S3_SERVER": "127.0.0.1:443", **variables})


def test_the_error_picture_is_a_small_file() -> None:
    assert (SOURCES / "static" / "404.jpg").stat().st_size < 10_000
