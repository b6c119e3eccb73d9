"""The servers of the local system answer to this machine's names only, each on its own port."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.lambda_server import start_lambda
from devstack.serving import is_own_name
from tests.support.asking import ask

FUNCTIONS = Path(__file__).parent / "functions"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "[::1]:8080",
        "localhost",
        "localhost:1",
        "photos.localhost:8080",
        "cloudfront:9002",
        "10.0.0.7",
    ],
)
def test_addresses_and_names_of_no_site_are_this_machines(host: str) -> None:
    assert is_own_name(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", ""]
)
def test_names_of_sites_are_not(host: str) -> None:
    assert not is_own_name(host)


@pytest.mark.fault("foreign-host")
def test_a_server_of_the_local_system_answers_to_no_sites_name(tmp_path: Path) -> None:
    emulator = start_lambda(tmp_path, {"echo": "echo.handler"}, f"--task-root={FUNCTIONS}")
    path = "/2015-03-31/functions/echo/invocations"
    answers = [ask(emulator.port, path, "POST", {"Host": host}).status for host in ("evil.example", "localhost")]
    emulator.program.kill()

    assert answers[0] == 421
    assert answers[1] != 421
