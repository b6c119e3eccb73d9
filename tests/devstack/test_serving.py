"""The servers of the local system answer to this machine's names only, each on its own port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.lambda_server import Lambda, start_lambda
from devstack.serving import is_own_name, is_own_page
from tests.support.asking import ask

FUNCTIONS = Path(__file__).parent / "functions"


@pytest.fixture(scope="module", name="emulator")
def _emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    emulator = start_lambda(tmp_path_factory.mktemp("lambda"), {"echo": "echo.handler"}, f"--task-root={FUNCTIONS}")
    yield emulator
    emulator.program.kill()


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


@pytest.mark.parametrize("origin", [None, "http://localhost:8080", "http://127.0.0.1", "http://[::1]:8080"])
def test_programs_and_pages_of_this_machine_may_change_something(origin: str | None) -> None:
    assert is_own_page(origin)


@pytest.mark.parametrize("origin", ["http://evil.example", "https://evil.example:8080", "null", "", "http://[::1"])
def test_pages_of_sites_may_not(origin: str) -> None:
    assert not is_own_page(origin)


@pytest.mark.fault("foreign-page")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_page_of_another_site_invokes_no_function(emulator: Lambda, method: str) -> None:
    path = "/2015-03-31/functions/echo/invocations"
    headers = {"Host": f"127.0.0.1:{emulator.port}", "Content-Type": "text/plain", "Content-Length": "2"}
    before = emulator.stats()["invocations"]

    refused = ask(emulator.port, path, method, headers | {"Origin": "http://evil.example"}, b"{}")

    assert refused.status == 403
    assert emulator.stats()["invocations"] == before


@pytest.mark.fault("foreign-host")
def test_a_server_of_the_local_system_answers_to_no_sites_name(emulator: Lambda) -> None:
    path = "/2015-03-31/functions/echo/invocations"
    answers = [ask(emulator.port, path, "POST", {"Host": host}).status for host in ("evil.example", "localhost")]

    assert answers[0] == 421
    assert answers[1] != 421
