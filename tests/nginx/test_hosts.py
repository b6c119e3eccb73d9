"""The names that nginx answers to: with DNS rebinding, another site's name leads to this machine."""

from __future__ import annotations

import pytest

from devstack.environments import LOCAL_HOSTS
from devstack.nginx_server import Nginx
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder
from tests.support.asking import ask


@pytest.fixture(scope="module", name="named")
def _named(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    """Nginx with the names of the local system."""
    return start({**recorders, "PREW_NGINX_HOSTS": LOCAL_HOSTS})


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080"])
def test_its_own_names_are_answered(named: Nginx, bucket: Recorder, host: str) -> None:
    assert bucket.seen == []
    assert ask(named.port, "/photo/a.jpg", headers={"Host": host}).status == 200


@pytest.mark.fault("foreign-host")
@pytest.mark.parametrize("host", ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "10.0.0.1", "[::2]"])
@pytest.mark.parametrize("path", ["/photo/a.jpg", "/prew/card/a.jpg", "/", "/-/presets"])
def test_another_name_is_misdirected(named: Nginx, bucket: Recorder, service: Recorder, host: str, path: str) -> None:
    answer = ask(named.port, path, headers={"Host": host})

    assert (answer.status, answer.problem["title"]) == (421, "Misdirected Request")
    assert (bucket.seen, service.seen) == ([], [])
