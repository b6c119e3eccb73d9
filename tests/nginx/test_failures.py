"""Failures of S3 or the service: a plain status, a small body, and no second rendering."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from devstack.nginx_server import Nginx
from devstack.programs import LOOPBACK, free_ports
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder, Reply, recording
from tests.support.asking import Answer, ask

TARGETS = ["/photo/a.jpg", "/prew/card/a.jpg"]
XML = Reply(
    0,
    b"<Error><BucketName>photos</BucketName></Error>",
    {"Content-Type": "application/xml", "Location": "https://photos.s3.test/", "x-amz-request-id": "1"},
)


def check_problem(answer: Answer, status: int) -> None:
    """Check for a problem body with this status, that must not be cached and names nothing internal."""
    assert (answer.status, answer.problem["status"]) == (status, status)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Location" not in answer.headers
    assert b"photos" not in answer.body
    assert b"nginx" not in answer.body


@pytest.fixture(name="replicas")
def _replicas() -> Iterator[list[Recorder]]:
    with recording("one") as one, recording("two") as two:
        yield [one, two]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "statuses",
    [
        *[(500, 502), (501, 502), (502, 502), (503, 503), (504, 504), (400, 400), (412, 412), (429, 429)],
        *[(301, 502), (302, 502), (307, 502), (401, 502), (405, 502)],
    ],
)
@pytest.mark.fault("s3-errors")
def test_other_errors_of_s3_are_plain_and_do_not_reach_the_service(
    recorded: Nginx, service: Recorder, bucket: Recorder, target: str, statuses: tuple[int, int]
) -> None:
    """Only 403 and 404 mean missing."""
    of_s3, answered = statuses
    bucket.respond = lambda _: Reply(of_s3, XML.body, XML.headers)

    check_problem(ask(recorded.port, target), answered)

    assert len(bucket.seen) == 1
    assert service.seen == []


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.fault("s3-away")
def test_without_s3_photos_and_previews_are_502(start: StartNginx, service: Recorder, target: str) -> None:
    nobody = f"{LOOPBACK}:{free_ports(1)[0]}"
    nginx = start({"PREW_NGINX_S3_SERVER": nobody, "PREW_NGINX_SERVICES": service.address})

    check_problem(ask(nginx.port, target), 502)
    assert ask(nginx.port, target, "HEAD").status == 502

    assert service.seen == []


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.fault("s3-away")
def test_a_broken_connection_to_s3_is_502(recorded: Nginx, service: Recorder, bucket: Recorder, target: str) -> None:
    bucket.respond = lambda _: None

    check_problem(ask(recorded.port, target), 502)

    assert service.seen == []


@pytest.mark.fault("replicas-away")
def test_without_a_replica_only_missing_previews_are_502(start: StartNginx, bucket: Recorder) -> None:
    nobody = " ".join(f"{LOOPBACK}:{port}" for port in free_ports(2))
    nginx = start({"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": nobody})

    assert ask(nginx.port, "/prew/card/a.jpg").body == b"from bucket"
    bucket.respond = lambda _: Reply(404)
    check_problem(ask(nginx.port, "/prew/card/a.jpg"), 502)
    assert ask(nginx.port, "/photo/a.jpg").status == 404


@pytest.mark.fault("replica-killed")
def test_the_other_replica_answers_for_a_dead_one(start: StartNginx, bucket: Recorder, service: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)
    dead = f"{LOOPBACK}:{free_ports(1)[0]}"
    nginx = start({"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": f"{dead} {service.address}"})

    answers = [ask(nginx.port, f"/prew/card/{number}.jpg") for number in range(6)]

    assert {answer.body for answer in answers} == {b"from service"}
    assert len(service.seen) == 6


def test_requests_go_to_all_replicas(start: StartNginx, bucket: Recorder, replicas: list[Recorder]) -> None:
    bucket.respond = lambda _: Reply(404)
    addresses = " ".join(replica.address for replica in replicas)
    nginx = start({"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": addresses})

    for number in range(6):
        ask(nginx.port, f"/prew/card/{number}.jpg")

    assert [len(replica.seen) for replica in replicas] == [3, 3]


@pytest.mark.fault("replica-killed")
def test_the_next_replica_answers_when_one_dies(start: StartNginx, bucket: Recorder, replicas: list[Recorder]) -> None:
    bucket.respond = lambda _: Reply(404)
    dying, living = replicas
    dying.respond = lambda _: None
    nginx = start({"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": f"{dying.address} {living.address}"})

    answer = ask(nginx.port, "/prew/card/a.jpg")

    assert (answer.status, answer.body) == (200, b"from two")
    assert [len(dying.seen), len(living.seen)] == [1, 1]


def test_a_deadly_request_reaches_two_at_most(start: StartNginx, bucket: Recorder, replicas: list[Recorder]) -> None:
    bucket.respond = lambda _: Reply(404)
    with recording("three") as third:
        everyone = [*replicas, third]
        for replica in everyone:
            replica.respond = lambda _: None
        addresses = " ".join(replica.address for replica in everyone)
        nginx = start({"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": addresses})

        check_problem(ask(nginx.port, "/prew/card/a.jpg"), 502)

        assert sum(len(replica.seen) for replica in everyone) == 2


@pytest.mark.fault("replica-silent")
def test_a_silent_replica_is_504_with_no_retry(start: StartNginx, bucket: Recorder, replicas: list[Recorder]) -> None:
    bucket.respond = lambda _: Reply(404)
    released = threading.Event()

    def silent(_: object) -> None:
        released.wait(30)

    for replica in replicas:
        replica.respond = silent
    nginx = start(
        {
            "PREW_NGINX_S3_SERVER": bucket.address,
            "PREW_NGINX_SERVICES": " ".join(replica.address for replica in replicas),
            "PREW_PROXY_READ_TIMEOUT": "1",
        }
    )

    answer = ask(nginx.port, "/prew/card/a.jpg")
    released.set()

    check_problem(answer, 504)
    assert sum(len(replica.seen) for replica in replicas) == 1
