"""`docker compose up`: the whole system in hardened containers, which recovers from any container's death."""

from __future__ import annotations

import functools
import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from tests.compose.project import Project, eventually

pytestmark = pytest.mark.timeout(900)  # the first run builds the images

SERVICES = ("cloudfront", "lambda", "nginx", "page", "prewmanager", "redis", "s3", "s3-events")
INVOCATIONS = (
    "from urllib.request import *; import json; print(json.load(urlopen('{}'))['by_function'].get('prew-resize', 0))"
)
PUT = """
import boto3, io, os
from PIL import Image
picture = io.BytesIO()
Image.new("L", (800, 400), {grey}).save(picture, "JPEG")
boto3.client("s3").put_object(Bucket="photos", Key="photo/changing.jpg", Body=picture.getvalue())
print(0)
"""
REQUESTS = """
from urllib.request import urlopen
lines = urlopen('http://127.0.0.1:8180/metrics').read().decode().splitlines()
print(sum(float(line.split()[-1]) for line in lines if line.startswith('prewmanager_requests_total')))
"""


def _invocations(project: Project) -> int:
    container = project.containers("lambda")[0]["Id"]
    return int(project.run_in(container, INVOCATIONS.format("http://127.0.0.1:9001/-/stats")))


@pytest.mark.parametrize("service", SERVICES)
def test_up_wait_ends_with_every_container_healthy_and_two_replicas(project: Project, service: str) -> None:
    assert project.is_healthy(service)
    assert len(project.containers(service)) == (2 if service == "prewmanager" else 1)


@pytest.mark.parametrize("service", [*SERVICES, "fill-bucket"])
def test_no_container_can_change_itself_or_gain_privileges(project: Project, service: str) -> None:
    for container in project.containers(service):
        host, user = container["HostConfig"], container["Config"]["User"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert user.partition(":")[0] not in {"", "0", "root"}


def test_the_page_has_every_preset_and_the_samples_and_a_photo_comes_from_s3(project: Project) -> None:
    facts = json.loads(project.get("/presets/facts").body)

    assert b"<title>Contact sheet" in project.get("/").body
    assert {"thumb", "card", "square", "hero"} <= {preset["name"] for preset in facts["presets"]}
    assert project.get(project.photos[0]).status == 200


def test_a_preview_is_rendered_once_and_then_served_by_s3(project: Project) -> None:
    path = next(project.fresh_previews)
    before = _invocations(project)
    first, second = project.get(path), project.get(path)
    while second.headers["X-Preview"] is not None:  # until it is written, which may follow its answer
        assert second.body == first.body
        second = project.get(path)

    assert (first.status, first.headers["X-Preview"]) == (200, "made")
    assert second.status == 200
    assert first.body == second.body
    assert _invocations(project) - before == 1


def test_the_edge_function_renders_an_image_that_the_origin_lacks(project: Project) -> None:
    path = f"/edge/none?s=http://photos.localhost:8080{project.photos[0]}&w=500&h=300"
    first, second = project.get(path), project.get(path)

    assert (first.status, first.headers["X-Cache"]) == (200, "Miss from cloudfront")
    assert Image.open(io.BytesIO(first.body)).size == (500, 300)
    assert (second.body, second.headers["X-Cache"]) == (first.body, "Hit from cloudfront")


def test_an_overwritten_photo_gets_new_previews_at_the_next_request(project: Project) -> None:
    container = str(project.containers("lambda")[0]["Id"])

    def is_grey(wanted: int) -> bool:
        answer = project.get("/prew/card/changing.jpg")
        colour = Image.open(io.BytesIO(answer.body)).convert("L").getpixel((50, 50)) if answer.status == 200 else 0
        assert isinstance(colour, int)
        return round(colour, -1) == wanted

    for wanted in (50, 200):
        project.run_in(container, PUT.format(grey=wanted))
        eventually(functools.partial(is_grey, wanted), f"{wanted} is of the new photo")


def test_nginxs_clients_cannot_list_the_bucket(project: Project) -> None:
    assert project.get("/photo/none.jpg").status == 404
    assert project.get("/photo/").status in {400, 404}


@pytest.mark.parametrize("service", ["prewmanager", "redis"])
@pytest.mark.fault("replica-killed")
@pytest.mark.fault("redis-killed")
def test_no_request_is_lost_when_a_replica_or_redis_is_killed(project: Project, service: str) -> None:
    paths = [next(project.fresh_previews) for _ in range(12)]
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(project.get, path) for path in paths]
        killed = project.kill_one(service)
        answers = [each.result() for each in asked]

    assert [answer.status for answer in answers] == [200] * len(paths)
    eventually(lambda: project.is_healthy(service), f"{service} is healthy")
    assert killed in {container["Id"] for container in project.containers(service)}


@pytest.mark.fault("lambda-away")
def test_existing_previews_need_no_lambda_and_missing_ones_are_rendered_once_it_is_back(project: Project) -> None:
    made, missing = next(project.fresh_previews), next(project.fresh_previews)
    assert project.get(made).status == 200
    project.kill_one("lambda")

    assert project.get(made).status == 200
    eventually(lambda: project.get(missing).status == 200, "a missing preview is rendered")
    eventually(lambda: project.is_healthy("lambda"), "lambda is healthy")


@pytest.mark.parametrize("service", ["cloudfront", "page", "s3-events"])
def test_killed_parts_beside_the_request_path_recover_unnoticed(project: Project, service: str) -> None:
    missing = next(project.fresh_previews)
    project.kill_one(service)

    assert project.get(missing).status == 200
    eventually(lambda: project.is_healthy(service), f"{service} is healthy")


@pytest.mark.parametrize("service", ["nginx", "s3"])
def test_after_nginx_or_s3_was_killed_previews_are_kept_and_rendered(project: Project, service: str) -> None:
    made = next(project.fresh_previews)
    body = project.get(made).body
    project.kill_one(service)

    eventually(lambda: _answers(project, made, body), "a stored preview is served")
    eventually(lambda: project.is_healthy(service), f"{service} is healthy")
    missing = next(project.fresh_previews)
    eventually(lambda: project.get(missing).status == 200, "a missing preview is rendered")


def _answers(project: Project, path: str, body: bytes) -> bool:
    try:
        answer = project.get(path)
    except OSError:
        return False
    return answer.status == 200 and answer.body == body


def test_five_replicas_share_the_work(project: Project) -> None:
    project.compose("up", "--detach", "--wait", "--scale=prewmanager=5", "--no-recreate")
    project.compose("restart", "nginx")
    eventually(lambda: project.is_healthy("nginx"), "nginx is healthy")
    replicas = [container["Id"] for container in project.containers("prewmanager")]
    before = [project.run_in(replica, REQUESTS) for replica in replicas]
    for _ in range(20):
        assert project.get(next(project.fresh_previews)).status == 200

    assert len(replicas) == 5
    assert all(project.run_in(each, REQUESTS) > was for each, was in zip(replicas, before, strict=True))
