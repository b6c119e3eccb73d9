"""Which replica gets a preview's misses, by `PREW_NGINX_BALANCE`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.nginx_server import Nginx, effective_environment
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder, Reply, recording
from tests.support.asking import ask

PREVIEWS = [f"/prew/card/balance/{number}.jpg" for number in range(24)]


@pytest.fixture(scope="module", name="replicas")
def _replicas() -> Iterator[list[Recorder]]:
    with recording("one") as one, recording("two") as two:
        yield [one, two]


@pytest.fixture(name="balanced")
def _balanced(start: StartNginx, bucket: Recorder, replicas: list[Recorder], request: pytest.FixtureRequest) -> Nginx:
    for replica in replicas:
        replica.reset()
    bucket.respond = lambda _: Reply(404)
    services = " ".join(replica.address for replica in replicas)
    own = {"PREW_NGINX_BALANCE": request.param} if request.param else {}
    return start({"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": services, **own})


def _answered_by(nginx: Nginx, path: str) -> str:
    answer = ask(nginx.port, path)
    assert answer.status == 200
    return answer.body.decode()


@pytest.mark.parametrize("balanced", ["hash", ""], indirect=True)
def test_with_hash_the_default_of_a_list_each_previews_misses_reach_one_replica_and_both_have_some(
    balanced: Nginx,
) -> None:
    answers = {path: {_answered_by(balanced, path) for _ in range(8)} for path in PREVIEWS}

    assert {len(each) for each in answers.values()} == {1}
    assert set.union(*answers.values()) == {"from one", "from two"}


@pytest.mark.parametrize("balanced", ["hash"], indirect=True)
def test_with_hash_every_spelling_of_a_path_reaches_the_same_replica(balanced: Nginx) -> None:
    for path in PREVIEWS:
        spelt = path.replace("balance", "%62alance").replace(".jpg", "%2Ejpg")
        assert _answered_by(balanced, spelt) == _answered_by(balanced, path)


@pytest.mark.parametrize("balanced", ["hash"], indirect=True)
def test_with_hash_another_replica_answers_where_one_is_not_able(balanced: Nginx, replicas: list[Recorder]) -> None:
    replicas[0].able = False

    assert {_answered_by(balanced, path) for path in PREVIEWS} == {"from two"}


@pytest.mark.parametrize("balanced", ["hash"], indirect=True)
def test_with_hash_another_replica_answers_where_one_breaks_the_connection(
    balanced: Nginx, replicas: list[Recorder]
) -> None:
    replicas[0].respond = lambda _: None

    assert {_answered_by(balanced, path) for path in PREVIEWS} == {"from two"}


@pytest.mark.parametrize("balanced", ["random"], indirect=True)
def test_at_random_a_previews_misses_reach_both_replicas(balanced: Nginx) -> None:
    assert {_answered_by(balanced, PREVIEWS[0]) for _ in range(64)} == {"from one", "from two"}


@pytest.mark.parametrize(
    ("services", "balance"),
    [("one:8180", "random"), (" one:8180 ", "random"), ("one:8180 two:8180", "hash"), ("one:8180  two:8180", "hash")],
)
def test_the_default_follows_the_list_of_services(services: str, balance: str) -> None:
    variables = {"PREW_NGINX_S3_SERVER": "s3:443", "PREW_NGINX_SERVICES": services}

    assert effective_environment(variables)["PREW_NGINX_BALANCE"] == balance
