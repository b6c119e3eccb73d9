"""`python -m devstack.s3_events`: receives SeaweedFS's webhook and invokes a function."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import typer
from aiohttp import ClientError, ClientSession, ClientTimeout, web

from devstack.programs import LOOPBACK
from devstack.s3_events.events import to_event
from devstack.serving import serve

_ACCEPTED = 202
_TIMEOUT = ClientTimeout(total=5)
_LARGEST_BYTES = 64 * 1024 * 1024  # the filer lists each chunk of a large object
_SESSION = web.AppKey("session", ClientSession)
_INVOKE_URL = web.AppKey("invoke_url", str)


def main(
    invoke_url: Annotated[str, typer.Option(help="the Invoke API's complete URL for the function")],
    port: Annotated[int, typer.Option(help="port for SeaweedFS's webhook")] = 9003,
    host: Annotated[str, typer.Option(help="address to listen on")] = LOOPBACK,
) -> None:
    """Invoke a function asynchronously for each object that is written or deleted, until SIGINT or SIGTERM."""
    asyncio.run(serve(create_app(invoke_url), host, port, "S3's events"))


def create_app(invoke_url: str) -> web.Application:
    """Build the server for SeaweedFS's webhook."""

    async def session(app: web.Application) -> AsyncIterator[None]:
        async with ClientSession(timeout=_TIMEOUT) as app[_SESSION]:
            yield

    app = web.Application(client_max_size=_LARGEST_BYTES)
    app[_INVOKE_URL] = invoke_url
    app.cleanup_ctx.append(session)
    app.router.add_post("/", _handle)
    return app


async def _handle(request: web.Request) -> web.Response:
    event = to_event(await request.json())
    if event is None:
        return web.Response(status=204)
    headers = {"X-Amz-Invocation-Type": "Event"}
    try:
        async with request.app[_SESSION].post(request.app[_INVOKE_URL], json=event, headers=headers) as answer:
            accepted = answer.status == _ACCEPTED
    except (ClientError, TimeoutError):
        accepted = False
    # SeaweedFS resends the event until it gets a 2xx.
    return web.Response(status=204 if accepted else 503)


if __name__ == "__main__":
    typer.run(main)
