"""`python -m devstack.cloudfront`: run the CloudFront emulator as a program."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

from devstack.cloudfront.distribution import Answer, Distribution, Settings
from devstack.cloudfront.viewer_request import ViewerRequest
from devstack.programs import LOOPBACK
from devstack.serving import serve

_VIEWER = Path(__file__).resolve().parents[2] / "infra" / "viewer.js"
_METHODS = frozenset({"GET", "HEAD"})
# Hop-by-hop headers: aiohttp writes its own.
_FRAMING = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
_DISTRIBUTION = web.AppKey("distribution", Distribution)
_PREFIX = web.AppKey("prefix", str)


def main(  # noqa: PLR0917 -- one parameter for each option
    origin: Annotated[str, typer.Option(help="http:// address of the origin")],
    invoke_url: Annotated[str, typer.Option(help="the Invoke API's complete URL for the origin-response function")],
    domain: Annotated[str, typer.Option(help="the distribution's name, as the function sees it")],
    prefix: Annotated[str, typer.Option(help="prefix of paths, removed for the origin")] = "/edge",
    viewer: Annotated[Path, typer.Option(help="the viewer-request function")] = _VIEWER,
    accept: Annotated[bool, typer.Option(help="the template's FormatsByAccept")] = False,
    port: Annotated[int, typer.Option(help="port to listen on")] = 9002,
    host: Annotated[str, typer.Option(help="address to listen on")] = LOOPBACK,
) -> None:
    """Serve the origin's responses, or the function's where the origin has none, until SIGINT or SIGTERM."""
    settings = Settings(domain, origin.rstrip("/"), invoke_url)
    viewer_request = ViewerRequest(viewer, ("accept",) if accept else ())
    asyncio.run(serve(create_app(settings, viewer_request, prefix), host, port, "CloudFront"))


def create_app(settings: Settings, viewer_request: ViewerRequest, prefix: str) -> web.Application:
    """Build the server for a distribution, for paths that begin with `prefix`."""

    async def distribution(app: web.Application) -> AsyncIterator[None]:
        # Unchanged: decoding and cookies are up to the viewer.
        connector = TCPConnector(limit=0)
        async with ClientSession(connector=connector, auto_decompress=False, cookie_jar=DummyCookieJar()) as session:
            app[_DISTRIBUTION] = Distribution(settings, session, viewer_request)
            yield

    app = web.Application()
    app[_PREFIX] = prefix
    app.cleanup_ctx.append(distribution)
    app.router.add_route("*", "/{path:.*}", _handle)
    return app


async def _handle(request: web.Request) -> web.Response:
    if request.method not in _METHODS:
        raise web.HTTPMethodNotAllowed(request.method, sorted(_METHODS))
    path, _, querystring = request.raw_path.partition("?")
    uri = path.removeprefix(request.app[_PREFIX])
    headers = {name.lower(): value for name, value in request.headers.items()}
    answer = await request.app[_DISTRIBUTION].answer(
        request.method, uri, querystring, request.remote or LOOPBACK, headers
    )
    return _response(answer, head=request.method == "HEAD")


def _response(answer: Answer, *, head: bool) -> web.Response:
    response = web.Response(status=answer.response.status, reason=answer.response.reason or None)
    for name, value in answer.response.headers:
        if name.lower() not in _FRAMING:
            response.headers.add(name, value)
    response.headers["X-Cache"] = answer.x_cache
    response.headers["X-Amz-Cf-Id"] = answer.request_id
    if answer.age is not None:
        response.headers["Age"] = str(answer.age)
    if head:
        response.headers["Content-Length"] = answer.response.header("content-length") or str(len(answer.response.body))
    else:
        response.body = answer.response.body
    return response


if __name__ == "__main__":
    typer.run(main)
