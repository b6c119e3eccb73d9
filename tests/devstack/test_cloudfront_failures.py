"""CloudFront's own answers when origin or function fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from devstack.cloudfront.distribution import Distribution, Settings
from devstack.cloudfront.viewer_request import ViewerRequest

VIEWER = Path(__file__).resolve().parents[2] / "infra" / "viewer.js"


class Backend:
    """Origin and Lambda service in one; `answer` is the outcome of the function's invocation."""

    def __init__(self) -> None:
        self.answer = web.Response()

    async def origin(self, _request: web.Request) -> web.Response:
        """Answer 404."""
        return web.Response(status=404, text="gone")

    async def invoke(self, _request: web.Request) -> web.Response:
        """Answer with `answer`."""
        return self.answer


@pytest.fixture(name="backend")
def _backend() -> Backend:
    return Backend()


@pytest.fixture(name="distribution")
async def _distribution(backend: Backend) -> AsyncIterator[Distribution]:
    """A distribution in front of the backend."""
    app = web.Application()
    app.router.add_post("/invoke", backend.invoke)
    app.router.add_get("/{path:.*}", backend.origin)
    async with TestServer(app) as server, ClientSession() as session:
        settings = Settings("d.example", str(server.make_url("")).rstrip("/"), str(server.make_url("/invoke")))
        yield Distribution(settings, session, ViewerRequest(VIEWER))


@pytest.mark.parametrize(
    ("answer", "status", "x_cache"),
    [
        (web.Response(status=429), 503, "LambdaLimitExceeded from cloudfront"),
        (
            web.Response(headers={"X-Amz-Function-Error": "Unhandled"}, text="{}"),
            503,
            "LambdaExecutionError from cloudfront",
        ),
        (web.Response(status=500), 503, "LambdaExecutionError from cloudfront"),
        (web.Response(text="null"), 502, "LambdaValidationError from cloudfront"),
        (
            web.Response(text='{"status": "200", "headers": {"x-cache": [{"value": "a"}]}}'),
            502,
            "LambdaValidationError from cloudfront",
        ),
    ],
)
async def test_a_functions_failure_has_cloudfronts_status_and_x_cache_and_is_not_cached(
    distribution: Distribution, backend: Backend, answer: web.Response, status: int, x_cache: str
) -> None:
    backend.answer = answer
    failed = await distribution.answer("GET", "/a.jpg", "s=x", "127.0.0.1")
    backend.answer = web.Response(text='{"status": "204", "headers": {}}')
    after = await distribution.answer("GET", "/a.jpg", "s=x", "127.0.0.1")

    assert (failed.response.status, failed.x_cache) == (status, x_cache)
    assert b"could not be satisfied" in failed.response.body
    assert (after.response.status, after.x_cache) == (204, "Miss from cloudfront")


async def test_an_unreachable_origin_is_502_without_invoking_the_function(distribution: Distribution) -> None:
    away = Settings("d.example", "http://127.0.0.1:1", distribution.settings.invoke_url)
    answer = await Distribution(away, distribution.session, distribution.viewer_request).answer("GET", "/", "", "")

    assert (answer.response.status, answer.x_cache) == (502, "Error from cloudfront")
