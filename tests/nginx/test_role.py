"""A role's credentials for a private bucket: asked for and renewed beside nginx, without a sidecar."""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.nginx_server import Nginx, effective_environment
from devstack.programs import ProgramError
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder
from tests.support.asking import ask
from tests.support.roles import CONTAINER_TOKEN, IDENTITY, ROLE_ARN, Roles, serving_roles

ROLE = {"PREW_NGINX_ROLE": "on", "AWS_REGION": "eu-west-1", "CURL_HOME": "/nonexistent"}


@pytest.fixture(name="roles")
def _roles() -> Iterator[Roles]:
    with serving_roles() as roles:
        yield roles


def signed_by(nginx: Nginx, bucket: Recorder) -> tuple[str, str]:
    """Return the key's id and the token that nginx signs with."""
    ask(nginx.port, "/photo/a.jpg")
    headers = bucket.seen[-1].headers
    found = re.search("Credential=([^/]+)/", headers["Authorization"])
    assert found is not None
    return found[1], headers["x-amz-security-token"]


def wait_until(holds: Callable[[], bool]) -> None:
    """Ask until it holds; the test's time limit ends it."""
    while not holds():
        time.sleep(0.05)


@pytest.fixture(name="environment", params=["container", "relative", "instance", "web identity"])
def _environment(request: pytest.FixtureRequest, roles: Roles, tmp_path: Path) -> dict[str, str]:
    """The variables that AWS sets for each kind of role, at this machine."""
    (tmp_path / "token").write_text(IDENTITY if request.param == "web identity" else CONTAINER_TOKEN)
    # ECS's address is always the same one.
    (tmp_path / ".curlrc").write_text(f'connect-to = "169.254.170.2:80:{roles.url.removeprefix("http://")}"\n')
    return {
        "container": {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{roles.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        },
        "relative": {
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN,
            "CURL_HOME": str(tmp_path),
        },
        "instance": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": roles.url},
        "web identity": {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ROLE_ARN": ROLE_ARN,
            "AWS_ENDPOINT_URL_STS": f"{roles.url}/",
        },
    }[request.param]


def test_each_kind_of_role_signs_from_the_first_request_on(
    start: StartNginx, recorders: dict[str, str], environment: dict[str, str], bucket: Recorder, roles: Roles
) -> None:
    nginx = start({**recorders, **ROLE, **environment})

    assert signed_by(nginx, bucket) == ("ASIA1", "to/ken+1==")
    assert len(roles.given) == 1


@pytest.fixture(name="brief")
def _brief(start: StartNginx, recorders: dict[str, str], roles: Roles, tmp_path: Path) -> Nginx:
    """Nginx whose role's credentials last six seconds."""
    roles.lasts_s = 6
    (tmp_path / "token").write_text(CONTAINER_TOKEN)
    uri = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{roles.url}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    return start({**recorders, **ROLE, **uri})


@pytest.mark.fault("role")
def test_credentials_are_renewed_before_they_end_and_the_last_ones_stay_while_that_fails(
    brief: Nginx, bucket: Recorder, roles: Roles
) -> None:
    file = brief.access_log.parent / "state" / "role.json"
    first_ends = roles.given[0]
    wait_until(lambda: signed_by(brief, bucket)[0] != "ASIA1")
    renewed = time.time()
    assert renewed < first_ends + 0.5
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    roles.up = False
    last = signed_by(brief, bucket)
    log = brief.program.log
    wait_until(lambda: "could not be renewed; the last credentials are good for" in log.read_text())
    assert signed_by(brief, bucket) == last
    wait_until(lambda: "has no valid credentials: photos are 502" in log.read_text())
    assert not any(secret in log.read_text() for secret in ("s/e+c=ret", last[1], CONTAINER_TOKEN))

    roles.up, roles.lasts_s = True, 3600
    wait_until(lambda: signed_by(brief, bucket) != last)


@pytest.mark.fault("role")
def test_without_a_role_at_its_start_nginx_serves_what_needs_none_until_there_is_one(
    start: StartNginx, recorders: dict[str, str], bucket: Recorder, service: Recorder, roles: Roles
) -> None:
    roles.up = False
    nginx = start({**recorders, **ROLE, "AWS_EC2_METADATA_SERVICE_ENDPOINT": roles.url})

    bucket.respond = lambda seen: bucket.usual(seen) if seen.headers["Authorization"] else None
    assert ask(nginx.port, "/photo/a.jpg").status == 502
    assert ask(nginx.port, "/nginx-health").status == 200
    assert "nginx's role: has no valid credentials" in nginx.program.log.read_text()

    roles.up = True
    wait_until(lambda: ask(nginx.port, "/photo/a.jpg").status == 200)
    assert service.seen == []


@pytest.mark.fault("settings-invalid")
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PREW_NGINX_ROLE": "yes"}, "PREW_NGINX_ROLE must be on or off"),
        ({"PREW_NGINX_CREDENTIALS_FILE": __file__}, "leave PREW_NGINX_CREDENTIALS_FILE empty"),
        ({"AWS_REGION": ""}, "AWS_REGION is required with PREW_NGINX_CREDENTIALS_FILE and PREW_NGINX_ROLE"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": __file__}, "PREW_NGINX_ROLE=on requires AWS_ROLE_ARN"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/none", "AWS_ROLE_ARN": ROLE_ARN}, "AWS_WEB_IDENTITY_TOKEN_FILE must be"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://evil.test/x"}, "AWS_CONTAINER_CREDENTIALS_FULL_URI must be"),
        (
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1.evil.test/"},
            "AWS_CONTAINER_CREDENTIALS_FULL_URI must",
        ),
        (
            {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@evil.test/x"},
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must be a path",
        ),
        ({"AWS_EC2_METADATA_DISABLED": "true"}, "PREW_NGINX_ROLE=on finds no role"),
        ({"PREW_NGINX_JS_MODULE": "/none"}, "PREW_NGINX_ROLE require nginx's njs module"),
    ],
)
def test_a_bad_role_stops_the_start(variables: dict[str, str], message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        effective_environment({"PREW_NGINX_S3_SERVER": "127.0.0.1:443", **ROLE, **variables})


@pytest.mark.parametrize(
    "uri", ["http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials", "https://broker.test/c"]
)
def test_the_addresses_of_ecs_and_eks_are_accepted(uri: str) -> None:
    variables = {**ROLE, "PREW_NGINX_S3_SERVER": "127.0.0.1:443", "AWS_CONTAINER_CREDENTIALS_FULL_URI": uri}

    assert effective_environment(variables)["PREW_NGINX_SIGN_MODE"] == "on"
