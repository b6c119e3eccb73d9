"""The second system: the CloudFront emulator, nginx as its origin, and the edge function in a real Lambda sandbox."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import pytest
from aiohttp import ClientSession
from PIL import Image

from devstack import edge
from devstack.backends import S3, s3_client
from devstack.lambda_server import Lambda, start_lambda
from devstack.nginx_server import start_nginx
from devstack.programs import LOOPBACK, Program, free_ports
from tests.lambda_resize.edge_event import ImageHost, reply
from tests.lambda_resize.pictures import encode
from tests.support.asking import Answer, ask
from tests.support.site import ROOT, nginx_variables

YEAR = "max-age=31536000"


@dataclass
class Edge:
    """The running parts, and the host that images come from."""

    port: int
    function: Lambda
    images: ImageHost
    cloudfront: Program

    def get(self, path: str, method: str = "GET", **query: str) -> Answer:
        """Send a request through the emulator."""
        joined = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        return ask(self.port, f"/edge{path}?{joined}".rstrip("?"), method)

    def invocations(self) -> int:
        """Return the function's number of invocations."""
        return int(self.function.stats()["by_function"].get(edge.FUNCTION, 0))


def _picture(width: int, height: int, *, noise: bool = False) -> bytes:
    pixels = np.full((height, width, 3), (200, 30, 30), dtype=np.uint8)
    if noise:
        pixels = np.random.default_rng(7).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return encode(Image.fromarray(pixels), "PNG")


@pytest.fixture(scope="module", name="system")
def _system(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The edge's dependencies: no service, since its origin only needs photos."""
    folder = tmp_path_factory.mktemp("edge")
    port = free_ports(1)[0]
    origin = f"http://{LOOPBACK}:{port}"
    replies = {"/page.png": reply(body=_picture(600, 600)), "/noise.png": reply(body=_picture(1200, 1200, noise=True))}
    replies["/away.png"] = reply(302, Location="http://10.0.0.1/x.png")
    with ImageHost(replies) as images:
        # As in a package's `edge.json`, with a lower limit, so that a picture can exceed it.
        (folder / "edge.json").write_text(
            f'{{"allowed_hosts": ["{images.name}", "alias.test:{port}"], "max_answer_bytes": 60000}}'
        )
        hosts = {"images.test": LOOPBACK, "alias.test": LOOPBACK}
        environment = os.environ | edge.function_environment(folder, port, folder / "edge.json", hosts)
        options = ("--concurrency=2", "--queue-wait=10", f"--task-root={ROOT}")
        function = start_lambda(folder, {edge.FUNCTION: edge.HANDLER}, *options, env=environment)
        cloudfront = edge.start_cloudfront(folder, origin, function, accept=False)
        locations = {"edge": cloudfront.location}
        nginx = start_nginx(folder, nginx_variables(s3, [1]), port=port, locations=locations)
        cloudfront.program.wait_ready(edge.is_ready(cloudfront))
        yield Edge(port, function, images, cloudfront.program)
        for program in (nginx.program, cloudfront.program, function.program):
            program.stop()


def _opened(answer: Answer) -> Image.Image:
    assert answer.headers["Content-Type"].startswith("image/")
    return Image.open(io.BytesIO(answer.body)).convert("RGB")


def test_an_image_of_another_host_is_made_once_and_then_comes_from_the_cache(system: Edge) -> None:
    url = system.images.url("/page.png")
    before = system.invocations()
    first = system.get("/photo/none.jpg", s=url)
    picture = _opened(first)
    sized = system.get("/photo/none.jpg", s=url, w="1200", h="627")
    again = [system.get("/photo/none.jpg", s=url), system.get("/photo/none.jpg", h="0627", utm="x", s=url, w="1200")]
    head = system.get("/photo/none.jpg", "HEAD", s=url)

    assert (first.status, first.headers["Cache-Control"], first.headers["X-Cache"]) == (
        200,
        YEAR,
        "Miss from cloudfront",
    )
    assert picture.size == (1200, 627)
    assert picture.getpixel((5, 300)) == (255, 255, 255)
    assert np.abs(np.asarray(picture)[313, 600].astype(int) - (200, 30, 30)).max() < 6
    for answer in again:
        assert (answer.body, answer.headers["X-Cache"]) == (first.body, "Hit from cloudfront")
        assert int(answer.headers["Age"]) >= 0
    assert (sized.body, sized.headers["X-Cache"]) == (first.body, "Miss from cloudfront")
    assert (head.body, head.headers["Content-Length"]) == (b"", str(len(first.body)))
    assert system.invocations() == before + 2
    assert system.images.asked.count("/page.png") == 2


def test_another_size_is_another_answer_and_exact(system: Edge) -> None:
    answer = system.get("/photo/none.jpg", s=system.images.url("/page.png"), w="300", h="300")

    assert (_opened(answer).size, answer.headers["X-Cache"]) == ((300, 300), "Miss from cloudfront")


def test_a_viewer_that_has_the_image_gets_304(system: Edge) -> None:
    path = f"/edge/photo/none.jpg?s={quote(system.images.url('/page.png'), safe='')}&w=90"
    first = ask(system.port, path)
    for name, header in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")):
        again = ask(system.port, path, headers={name: str(first.headers[header])})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])


def test_the_origins_own_responses_pass(system: Edge, s3: S3) -> None:
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/there ü.jpg", Body=b"as it is", ContentType="image/jpeg")
    there = system.get("/photo/there%20%C3%BC.jpg", s=system.images.url("/page.png"))
    missing = system.get("/photo/none.jpg")
    direct = ask(system.port, "/photo/none.jpg")

    assert (there.status, there.body, there.headers["Content-Type"]) == (200, b"as it is", "image/jpeg")
    assert there.headers["ETag"] == ask(system.port, "/photo/there%20%C3%BC.jpg").headers["ETag"]
    assert (missing.status, missing.body) == (404, direct.body)
    assert missing.headers["X-Cache"] == "Error from cloudfront"


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("https://elsewhere.example/a.png", 403),
        ("http://127.0.0.1:{port}/photo/a.jpg", 403),
        ("http://photos.localhost:{port}/edge/photo/none.jpg?s=x", 403),
        ("http://photos.localhost:1/photo/a.jpg", 403),
        ("http://images.test:{images}/away.png", 403),
        ("http://images.test:{images}/noise.png", 413),
        ("no URL", 400),
    ],
)
def test_a_request_that_cannot_be_answered_with_an_image_is_never_a_502(system: Edge, url: str, status: int) -> None:
    answer = system.get("/photo/none.jpg", s=url.format(port=system.port, images=system.images.port))

    assert (answer.status, answer.problem["status"]) == (status, status)
    assert answer.headers["X-Cache"] == "Error from cloudfront"


def test_a_missing_image_is_the_origins_answer(system: Edge) -> None:
    answer = system.get("/photo/none.jpg", s=f"http://photos.localhost:{system.port}/photo/none.jpg")
    origin = ask(system.port, "/photo/none.jpg")

    assert (answer.status, answer.body) == (404, origin.body)
    assert (answer.headers["X-Resize-Error"], answer.headers["Cache-Control"]) == ("source-missing", "max-age=60")


def test_a_host_that_is_the_distribution_by_another_name_ends_at_once(system: Edge) -> None:
    before = system.invocations()
    inner = f"http://alias.test:{system.port}/edge/photo/turn.jpg?s={quote(system.images.url('/page.png'), safe='')}"
    answer = system.get("/photo/none.jpg", s=inner)

    assert (answer.status, answer.headers["X-Resize-Error"]) == (404, "source-missing")
    assert system.invocations() == before + 2  # the second one passes the origin's answer to the first


async def test_simultaneous_requests_share_one_invocation(system: Edge) -> None:
    before = system.invocations()
    url = (
        f"http://{LOOPBACK}:{system.port}/edge/photo/crowd.jpg?w=300&s={quote(system.images.url('/page.png'), safe='')}"
    )
    async with ClientSession() as session:

        async def one() -> bytes:
            async with session.get(url) as answer:
                return await answer.read()

        bodies = await asyncio.gather(*(one() for _ in range(20)))

    assert len(set(bodies)) == 1
    assert system.invocations() == before + 1
