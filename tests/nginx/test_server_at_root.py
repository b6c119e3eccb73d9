"""A server at `/`, instead of a folder of files."""

from __future__ import annotations

import pytest

from devstack.nginx_server import Nginx, effective_environment
from devstack.programs import ProgramError
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder
from tests.support.asking import ask


@pytest.fixture(scope="module", name="site")
def _site(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    """Nginx whose server at the root is the service's recorder."""
    return start({**recorders, "PREW_NGINX_WWW": f"http://{recorders['PREW_NGINX_SERVICES']}"})


def test_it_gets_path_query_and_headers_unchanged_and_the_client_its_headers(site: Nginx, service: Recorder) -> None:
    answer = ask(site.port, "/presets/photos?search=%3Cb%3E", headers={"X-Herd": "1"})

    assert (answer.status, answer.body, answer.headers["X-Preview"]) == (200, b"from service", "made")
    assert [seen.target for seen in service.seen] == ["/presets/photos?search=%3Cb%3E"]
    assert service.seen[0].headers["X-Herd"] == "1"


@pytest.mark.parametrize("target", ["/-/presets", "/-/metrics", "/photo", "/prew"])
def test_the_services_internal_addresses_stay_internal(site: Nginx, service: Recorder, target: str) -> None:
    assert ask(site.port, target).status == 404
    assert service.seen == []


def test_only_get_and_head_reach_it(site: Nginx, service: Recorder) -> None:
    assert ask(site.port, "/", "POST").status == 405
    assert service.seen == []


@pytest.mark.parametrize("value", ["https://page:1", "http://page", "http://page:1/path", "http://"])
def test_an_invalid_address_is_refused_with_the_variables_name(value: str) -> None:
    with pytest.raises(ProgramError, match="PREW_NGINX_WWW must be a folder or http://host:port"):
        effective_environment({"PREW_NGINX_S3_SERVER": "s3:443", "PREW_NGINX_WWW": value})
