"""The table of docs/reference/edge.md: each request through the CloudFront emulator, and through the function alone."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from PIL import Image

from devstack.cloudfront.cache import Cache, Response, lifetime_s
from devstack.cloudfront.distribution import Distribution, Settings
from devstack.cloudfront.origin_response import applied
from devstack.cloudfront.viewer_request import ViewerRequest
from lambda_resize.edge.fetch import fetch
from lambda_resize.edge.handler import respond
from lambda_resize.edge.settings import EdgeSettings
from tests.lambda_resize.edge_event import ImageHost, origin_response, reply
from tests.lambda_resize.pictures import encode
from tests.support.edge_requests import HOST, ORIGIN, PATHS, REQUESTS, YEAR, EdgeRequest

VIEWER = Path(__file__).resolve().parents[2] / "infra" / "viewer.js"
PROBLEM = "a problem"
ORIGINS_BODY = b"what the origin answers"


@pytest.fixture(scope="module", name="host")
def _host() -> Iterator[ImageHost]:
    """The allowed host, with the paths of the table."""
    jpeg = encode(Image.new("RGB", (640, 480), (10, 90, 200)), "JPEG")
    release = threading.Event()
    location = "/%EC%82%AC%EC%A7%84 1.jpg".replace("%EC%82%AC%EC%A7%84", "사진".encode().decode("latin-1"))

    def silent(_handler: BaseHTTPRequestHandler) -> None:
        release.wait(30)

    replies = dict.fromkeys(PATHS, reply(body=jpeg)) | {
        "/tall.jpg": reply(body=encode(Image.new("RGB", (480, 640)), "JPEG")),
        "/clear.png": reply(body=encode(Image.new("RGBA", (40, 30), (0, 0, 0, 128)), "PNG")),
        "/zipped.jpg": reply(body=gzip.compress(jpeg), Content_Encoding="gzip"),
        "/moved": reply(302, Location=location),
        "/circle": reply(302, Location="/circle"),
        "/inside": reply(302, Location="http://169.254.169.254/"),
        "/none": reply(404),
        "/hidden": reply(403),
        "/login": reply(401),
        "/broken": reply(500),
        "/silent": silent,
        "/page.html": reply(body=b"<html></html>"),
        "/drawing.svg": reply(body=b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
        "/vast.png": reply(body=encode(Image.new("L", (9000, 9000)), "PNG")),
    }
    with ImageHost(replies) as host:
        yield host
        release.set()


def _here(text: str, host: ImageHost) -> str:
    """Put the test's host into a text of the table, encoded where the text is."""
    colon = f"images.test%3A{host.port}" if "%2F" in text.partition(HOST)[0] else host.name
    return text.replace(HOST, colon).replace("IMAGES.example", f"IMAGES.test:{host.port}")


def _settings(host: ImageHost, request: EdgeRequest) -> EdgeSettings:
    return host.settings(**request.settings)


def _respond(event: dict[str, Any], settings: EdgeSettings, host: ImageHost) -> dict[str, Any]:
    return respond(event, settings, lambda url, end: fetch(url, settings, host.network, end))


def _check(request: EdgeRequest, response: Response) -> None:
    assert (response.status, response.header("x-resize-error")) == (request.status, request.reason)
    if request.shows == ORIGIN:
        assert response.body == ORIGINS_BODY
    elif request.shows == PROBLEM:
        assert json.loads(response.body)["status"] == request.status
    else:
        image = Image.open(io.BytesIO(response.body))
        assert image.size == request.shows
        assert Image.MIME[str(image.format)] == response.header("content-type")
        assert not request.kind or response.header("content-type") == request.kind
    assert lifetime_s(response) == request.seconds


@pytest.mark.parametrize("request_", REQUESTS, ids=range(1, len(REQUESTS) + 1))
def test_the_function_answers_as_the_table_says(host: ImageHost, request_: EdgeRequest) -> None:
    """Whether it gets the query as the viewer wrote it, or as the viewer function leaves it."""
    for query in (request_.query, request_.key):
        if query != request_.query or "user-agent" not in request_.headers:
            event = origin_response(_here(query, host), status=str(request_.origin))
            cf = event["Records"][0]["cf"]
            cf["request"]["headers"] |= {
                name: [{"key": name, "value": value}] for name, value in request_.headers.items()
            }
            headers = tuple((name, each[0]["value"]) for name, each in cf["response"]["headers"].items())
            origin = Response(request_.origin, "", headers, ORIGINS_BODY)
            answer = json.dumps(_respond(event, _settings(host, request_), host)).encode()

            _check(request_, applied(answer, origin))


@dataclass
class Backend:
    """The origin and the Lambda service in one, for a distribution."""

    host: ImageHost
    settings: EdgeSettings
    status: int = 404
    body: bytes = ORIGINS_BODY
    asked: list[str] = field(default_factory=list)

    async def origin(self, request: web.Request) -> web.Response:
        """Answer with the status."""
        self.asked.append(request.rel_url.raw_query_string)
        response = web.Response(status=self.status, body=self.body)
        response.headers["Location"] = "/elsewhere"
        return response

    async def invoke(self, request: web.Request) -> web.Response:
        """Run the edge function."""
        event = await request.json()
        return web.json_response(await asyncio.to_thread(_respond, event, self.settings, self.host))


@pytest.fixture(name="backend")
def _backend(host: ImageHost) -> Backend:
    return Backend(host, host.settings())


@pytest.fixture(name="clock")
def _clock() -> list[float]:
    """The cache's clock, in seconds."""
    return [0.0]


@pytest.fixture(name="distribution")
async def _distribution(backend: Backend, clock: list[float]) -> AsyncIterator[Distribution]:
    """A distribution in front of the backend."""
    app = web.Application()
    app.router.add_post("/invoke", backend.invoke)
    app.router.add_get("/{path:.*}", backend.origin)
    async with TestServer(app, skip_url_asserts=True) as server, ClientSession() as session:
        settings = Settings("d.example", str(server.make_url("")).rstrip("/"), str(server.make_url("/invoke")))
        cache = Cache(now=lambda: clock[0])
        yield Distribution(settings, session, ViewerRequest(VIEWER, ("accept",)), cache)


@pytest.mark.parametrize("request_", REQUESTS, ids=range(1, len(REQUESTS) + 1))
async def test_cloudfront_answers_as_the_table_says(
    host: ImageHost, backend: Backend, distribution: Distribution, request_: EdgeRequest
) -> None:
    backend.settings, backend.status = _settings(host, request_), request_.origin
    query = _here(request_.query, host)
    first = await distribution.answer("GET", "/a", query, "127.0.0.1", request_.headers)
    again = await distribution.answer("GET", "/a", query, "127.0.0.1", request_.headers)

    _check(request_, first.response)
    assert backend.asked[0] == _here(request_.key, host)
    assert len(backend.asked) == (1 if request_.seconds else 2)
    assert again.response.body == first.response.body


async def test_nobody_sees_a_passing_answer_longer_than_the_table_says(
    backend: Backend, distribution: Distribution, clock: list[float], host: ImageHost
) -> None:
    """The origin answers each status from 200 to 511 in turn, then 200 with another picture."""
    for status in range(200, 512):
        backend.status, backend.body = status, b"" if status in {204, 304} else ORIGINS_BODY
        query = f"{_here('s=http://images.example/a.jpg', host)}&w={status}&h=20"
        first = await distribution.answer("GET", "/a", query, "127.0.0.1")
        backend.status, backend.body = 200, b"another picture"
        clock[0] += _longest(status)
        later = await distribution.answer("GET", "/a", query, "127.0.0.1")

        assert first.response.body != b"another picture", status
        assert (later.response.status, later.response.body) == (200, b"another picture"), status


def _longest(status: int) -> int:
    """Seconds that docs/reference/edge.md promises for an answer of the origin that says nothing about its life."""
    if status in {403, 404, 410}:
        return YEAR
    if status in {200, 206, 304}:
        return 86_400
    return 60 if status < 400 else 30
