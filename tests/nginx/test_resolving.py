"""Names of S3 and replicas whose addresses change while nginx runs: from nginx 1.27.3 on (`make test-current`)."""

from __future__ import annotations

import pytest

from devstack.nginx_server import effective_environment
from devstack.programs import ProgramError, free_ports
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Reply, recording
from tests.support.asking import ask
from tests.support.dns import serving_names
from tests.support.nginx_version import resolves_again

RESOLVES = resolves_again()


@pytest.mark.skipif(not RESOLVES, reason="this nginx resolves names at its start only: `make test-current`")
@pytest.mark.fault("address-changes")
@pytest.mark.parametrize("changing", ["s3.test", "replicas.test"])
def test_a_changed_address_is_followed(start: StartNginx, changing: str) -> None:
    s3_port, service_port = free_ports(2)
    port = s3_port if changing == "s3.test" else service_port
    with (
        serving_names() as names,
        recording("first", host="127.0.0.2", port=port) as first,
        recording("second", host="127.0.0.3", port=port),
        recording("other", host="127.0.0.4", port=service_port if changing == "s3.test" else s3_port) as other,
    ):
        other.respond = lambda _: Reply(404)
        names.addresses = dict.fromkeys(("s3.test", "replicas.test"), "127.0.0.4") | {changing: "127.0.0.2"}
        nginx = start(
            {
                "PREW_NGINX_S3_SERVER": f"s3.test:{s3_port}",
                "PREW_NGINX_SERVICES": f"replicas.test:{service_port}",
                "PREW_NGINX_RESOLVER": f"127.0.0.1:{names.port} ipv6=off",
            }
        )
        path = "/photo/a.jpg" if changing == "s3.test" else "/prew/card/a.jpg"
        while (before := ask(nginx.port, path).body) != b"from first":
            pass  # nginx starts before it has an address
        names.addresses[changing] = "127.0.0.3"
        while (after := ask(nginx.port, path).body) == before:
            pass

        assert (before, after) == (b"from first", b"from second")
        first.seen.clear()
        assert [ask(nginx.port, path).body for _ in range(5)] == [b"from second"] * 5
        assert first.seen == []


@pytest.mark.skipif(RESOLVES, reason="this nginx resolves names while it runs")
@pytest.mark.fault("settings-invalid")
def test_an_nginx_that_cannot_resolve_again_says_so() -> None:
    with pytest.raises(ProgramError, match=r"PREW_NGINX_RESOLVER requires nginx 1\.27\.3"):
        effective_environment({"PREW_NGINX_S3_SERVER": "s3.test:80", "PREW_NGINX_RESOLVER": "127.0.0.1"})
