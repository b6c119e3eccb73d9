"""A server at `/`, in place of a folder of files."""

from __future__ import annotations

import pytest

from devstack.nginx_server import Nginx, effective_environment
from devstack.programs import ProgramError
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder
from tests.support.asking import ask


@pytest.fixture(scope="module", name="site")
def _site(start: StartNginx, bucket_all_session: Recorder, service_all_session: Recorder) -> Nginx:
    """Nginx with the recorder of the service as the server at its root as well."""
    return start(
        {
            "PREW_NGINX_S3_SERVER": bucket_all_session.address,
            "PREW_NGINX_SERVICES": service_all_session.address,
            "PREW_NGINX_WWW": f"http://{service_all_session.address}",
        }
    )


def test_it_gets_the_request_as_it_came(site: Nginx, service: Recorder) -> None:
    """With path and query untouched, the client's own headers, and the answer's headers back."""
    answer = ask(site.port, "/presets/photos?search=%3Cb%3E", headers={"X-Herd": "1"})

    assert (answer.status, answer.body, answer.headers["X-Preview"]) == (200, b"from service", "made")
    assert [seen.target for seen in service.seen] == ["/presets/photos?search=%3Cb%3E"]
    assert service.seen[0].headers["X-Herd"] == "1"


@pytest.mark.parametrize("target", ["/-/presets", "/-/metrics", "/photo", "/prew"])
def test_what_is_nginxs_own_stays_its_own(site: Nginx, service: Recorder, target: str) -> None:
    """The service's inner addresses are for the inside, whatever is at the root."""
    assert ask(site.port, target).status == 404
    assert service.seen == []


def test_only_get_and_head_reach_it(site: Nginx, service: Recorder) -> None:
    """As everywhere else."""
    assert ask(site.port, "/", "POST").status == 405
    assert service.seen == []


@pytest.mark.parametrize("value", ["https://page:1", "http://page", "http://page:1/path", "http://"])
def test_an_address_that_cannot_be_is_refused(value: str) -> None:
    """With the variable's name."""
    with pytest.raises(ProgramError, match="PREW_NGINX_WWW must be a folder or http://host:port"):
        effective_environment({"PREW_NGINX_S3_SERVER": "s3:443", "PREW_NGINX_WWW": value})
