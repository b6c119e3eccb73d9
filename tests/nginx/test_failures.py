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


# What means something to a client, by what S3 answered.
MEANINGFUL = {412: 412, 416: 416, 429: 503, 503: 503, 504: 504}
CUT = {408, 444}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.fault("s3-errors")
def test_every_other_status_of_s3_is_a_plain_failure(
    recorded: Nginx, service: Recorder, bucket: Recorder, target: str
) -> None:
    """None passes S3's XML; only 403, 404 and 400 reach the service."""
    for of_s3 in sorted(set(range(300, 600)) - {304, 400, 403, 404, 499} - CUT):
        bucket.reset()
        bucket.respond = lambda _, status=of_s3: Reply(status, XML.body, XML.headers)  # type: ignore[misc]  # bound now

        answer = ask(recorded.port, target)

        check_problem(answer, MEANINGFUL.get(of_s3, 502))
        assert (answer.headers["Retry-After"] is not None) == (answer.status == 503), of_s3
        assert len(bucket.seen) == 1
        assert service.seen == []


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("status", sorted(CUT))
@pytest.mark.fault("s3-errors")
def test_a_status_that_nginx_cannot_replace_passes_nothing(
    recorded: Nginx, bucket: Recorder, target: str, status: int
) -> None:
    """The connection is closed instead."""
    bucket.respond = lambda _: Reply(status, XML.body, XML.headers)

    with pytest.raises(ConnectionResetError):
        ask(recorded.port, target)


@pytest.mark.fault("s3-refuses-nginx")
def test_a_400_of_s3_is_about_nginxs_request(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    """As for ExpiredToken of a signed request: the service has credentials of its own."""
    bucket.respond = lambda _: Reply(400, XML.body, XML.headers)

    check_problem(ask(recorded.port, "/photo/a.jpg"), 502)
    assert service.seen == []
    assert ask(recorded.port, "/prew/card/a.jpg").body == b"from service"
    service.respond = lambda _: Reply(502, b"{}", {"Content-Type": "application/problem+json"})
    assert ask(recorded.port, "/prew/card/a.jpg").status == 502


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

    for number in range(60):
        ask(nginx.port, f"/prew/card/{number}.jpg")

    assert min(len(replica.seen) for replica in replicas) > 10  # of 60, by chance


@pytest.mark.fault("replica-killed")
def test_the_next_replica_answers_when_one_dies(start: StartNginx, bucket: Recorder, replicas: list[Recorder]) -> None:
    bucket.respond = lambda _: Reply(404)
    dying, living = replicas
    dying.respond = lambda _: None
    nginx = start({"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": f"{dying.address} {living.address}"})

    answers = [ask(nginx.port, f"/prew/card/{number}.jpg") for number in range(60)]

    assert {(answer.status, answer.body) for answer in answers} == {(200, b"from two")}
    assert len(dying.seen) >= 1
    assert len(living.seen) == 60


def test_a_deadly_request_reaches_two_at_most(start: StartNginx, bucket: Recorder, replicas: list[Recorder]) -> None:
    bucket.respond = lambda _: Reply(404)
    with recording("three") as third:
        everyone = [*replicas, third]
        addresses = " ".join(replica.address for replica in everyone)
        nginx = start({"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": addresses})

        for number in range(60):  # nginx keeps a connection to each
            ask(nginx.port, f"/prew/card/{number}.jpg")
        for replica in everyone:
            replica.reset()
            replica.respond = lambda _: None
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


@pytest.mark.fault("replica-frozen")
def test_a_frozen_replica_is_found_by_its_silence(
    start: StartNginx, bucket: Recorder, replicas: list[Recorder]
) -> None:
    bucket.respond = lambda _: Reply(404)
    frozen, living = replicas
    nginx = start({"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": f"{frozen.address} {living.address}"})
    frozen.alive.clear()

    answers = [ask(nginx.port, f"/prew/card/{number}.jpg", within_s=10) for number in range(20)]
    frozen.alive.set()

    assert {answer.body for answer in answers} == {b"from two"}
    assert frozen.seen == []


@pytest.mark.fault("replica-unable")
def test_a_replica_that_cannot_render_is_left_out(
    start: StartNginx, bucket: Recorder, replicas: list[Recorder]
) -> None:
    bucket.respond = lambda _: Reply(404)
    unable, able = replicas
    nginx = start({"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": f"{unable.address} {able.address}"})
    unable.able = False

    assert {ask(nginx.port, f"/prew/card/{number}.jpg").body for number in range(20)} == {b"from two"}
    able.able = False
    assert ask(nginx.port, "/prew/card/a.jpg").body[:5] == b"from "


@pytest.mark.fault("replica-frozen")
def test_replicas_that_are_all_too_slow_to_say_so_are_asked(
    start: StartNginx, bucket: Recorder, replicas: list[Recorder]
) -> None:
    bucket.respond = lambda _: Reply(404)
    addresses = " ".join(replica.address for replica in replicas)
    nginx = start({"PREW_NGINX_S3_SERVER": bucket.address, "PREW_NGINX_SERVICES": addresses})
    for replica in replicas:
        replica.alive.clear()

    answer = ask(nginx.port, "/prew/card/a.jpg")
    for replica in replicas:
        replica.alive.set()

    assert (answer.status, answer.body[:5]) == (200, b"from ")
