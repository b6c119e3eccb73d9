"""The client's address, and the limit of missing previews per client."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from devstack.nginx_server import Nginx, effective_environment
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.nginx.test_files_and_log import logged
from tests.support.asking import Answer, ask

MINIMAL = {"PREW_NGINX_S3_SERVER": "127.0.0.1:443"}
BURST = 2
LET_THROUGH = 1 + BURST  # one a minute, plus the burst
AskAs = Callable[..., Answer]
_numbers = itertools.count()


@pytest.fixture(scope="module", name="limited")
def _limited(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    """One missing preview a minute, after a burst of three, for each client behind a trusted proxy."""
    return start(
        {
            **recorders,
            "PREW_NGINX_MISS_RATE": "1r/m",
            "PREW_NGINX_MISS_BURST": str(BURST),
            "PREW_NGINX_TRUSTED_PROXIES": "127.0.0.0/8 10.0.0.0/8 fd00::/8",
        }
    )


@pytest.fixture(name="missing_as")
def _missing_as(limited: Nginx, bucket: Recorder) -> AskAs:
    """Request a missing preview, with this X-Forwarded-For."""
    bucket.respond = lambda seen: Reply(404 if seen.target.startswith("/photos/prew/missing") else 200)

    def asked(forwarded: str, **headers: str) -> Answer:
        path = f"/prew/missing/{next(_numbers)}.jpg"
        return ask(limited.port, path, headers={"X-Forwarded-For": forwarded, **headers})

    return asked


def _statuses(missing_as: AskAs, *clients: str) -> list[int]:
    return [missing_as(client).status for client in clients]


@pytest.mark.fault("made-up-names")
def test_a_client_above_its_rate_is_429_without_a_request_to_the_service(missing_as: AskAs, service: Recorder) -> None:
    answers = [missing_as("192.0.2.1") for _ in range(LET_THROUGH + 1)]

    assert [answer.status for answer in answers] == [200] * LET_THROUGH + [429]
    refused = answers[-1]
    assert refused.problem["title"] == "Too Many Requests"
    assert (refused.headers["Retry-After"], refused.headers["Cache-Control"]) == ("60", "no-store")
    assert len(service.seen) == LET_THROUGH


@pytest.mark.fault("made-up-names")
def test_neither_other_clients_nor_existing_objects_are_limited(missing_as: AskAs, limited: Nginx) -> None:
    spent = _statuses(missing_as, *["192.0.2.2"] * (LET_THROUGH + 1))
    same, other = {"X-Forwarded-For": "192.0.2.2"}, {"X-Forwarded-For": "192.0.2.3"}

    assert spent[-1] == 429
    assert missing_as("192.0.2.3").status == 200
    for path in ("/prew/card/a.jpg", "/photo/a.jpg"):
        assert [ask(limited.port, path, headers=each).status for each in (same, other) for _ in range(9)] == [200] * 18


def test_the_last_untrusted_address_is_the_client(missing_as: AskAs) -> None:
    invented = [f"198.51.100.{each}, 192.0.2.4, 10.1.2.3" for each in range(LET_THROUGH + 1)]

    assert _statuses(missing_as, *invented)[-1] == 429
    assert missing_as("192.0.2.77, 10.1.2.3").status == 200  # another client behind the same proxy


def test_half_an_ipv6_address_is_a_client(missing_as: AskAs) -> None:
    """A client chooses the second half itself."""
    network = [f"2001:db8:1:2:{each}::5" for each in range(1, LET_THROUGH + 2)]

    assert _statuses(missing_as, *network)[-1] == 429
    assert missing_as("2001:db8:1:3::5").status == 200


def test_the_log_has_the_clients_address_and_s3s_status_beside_a_429(missing_as: AskAs, limited: Nginx) -> None:
    for number in range(LET_THROUGH + 1):
        missing_as("2001:db8:7::9", **{"X-Request-Id": f"client-test-{number}"})

    entry = logged(limited, f"client-test-{LET_THROUGH}")
    assert (entry["client"], entry["status"], entry["upstream_status"]) == ("2001:db8:7::9", 429, "404")


def test_x_forwarded_for_of_no_trusted_proxy_is_ignored(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)

    headers = {"X-Forwarded-For": "192.0.2.9", "X-Request-Id": "client-test-plain"}
    assert {ask(recorded.port, "/prew/card/a.jpg", headers=headers).status for _ in range(9)} == {200}

    assert logged(recorded, "client-test-plain")["client"] == "127.0.0.1"
    assert service.seen[0].headers["X-Forwarded-For"] == "192.0.2.9, 127.0.0.1"


@pytest.mark.parametrize(("rate", "seconds"), [("7r/m", "9"), ("60r/m", "1"), ("300r/m", "1"), ("20r/s", "1")])
def test_retry_after_is_when_the_rate_lets_one_more_through(rate: str, seconds: str) -> None:
    environment = effective_environment({**MINIMAL, "PREW_NGINX_MISS_RATE": rate})

    assert environment["PREW_NGINX_RETRY_AFTER"] == seconds
