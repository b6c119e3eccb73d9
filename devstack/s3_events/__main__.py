"""`python -m devstack.s3_events`: receives SeaweedFS's webhook and invokes a function.

It reads `PREW_SOURCE_PREFIX`, `PREW_SOURCE_KEYS`, `PREW_SOURCES__…` and `PREW_PREVIEW_PREFIX`: the function hears of
photos alone.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

import typer
from aiohttp import ClientError, ClientSession, ClientTimeout, web

from devstack.local_settings import source_keys
from devstack.programs import LOOPBACK
from devstack.s3_events.events import to_event
from devstack.serving import serve

_ACCEPTED = 202
_TIMEOUT = ClientTimeout(total=5)
_LARGEST_BYTES = 64 * 1024 * 1024  # the filer lists each chunk of a large object
_SESSION = web.AppKey("session", ClientSession)
_INVOKE_URL = web.AppKey("invoke_url", str)
_AGAIN_S = web.AppKey("again_s", float)
_LATER = web.AppKey("later", set[asyncio.Task[None]])
_TRIES = 5
AGAIN_S = 90.0  # as in infra/prewmanager.yaml


def main(
    invoke_url: Annotated[str, typer.Option(help="the Invoke API's complete URL for the function")],
    port: Annotated[int, typer.Option(help="port for SeaweedFS's webhook")] = 9003,
    host: Annotated[str, typer.Option(help="address to listen on")] = LOOPBACK,
    again_s: Annotated[float, typer.Option(help="seconds until each event is delivered a second time")] = AGAIN_S,
) -> None:
    """Invoke a function asynchronously for each object that is written or deleted, until SIGINT or SIGTERM."""
    asyncio.run(serve(create_app(invoke_url, again_s), host, port, "S3's events"))


def create_app(invoke_url: str, again_s: float) -> web.Application:
    """Build the server for SeaweedFS's webhook."""

    async def session(app: web.Application) -> AsyncIterator[None]:
        async with ClientSession(timeout=_TIMEOUT) as app[_SESSION]:
            yield

    app = web.Application(client_max_size=_LARGEST_BYTES)
    app[_INVOKE_URL] = invoke_url
    app[_AGAIN_S] = again_s
    app[_LATER] = set()
    app.cleanup_ctx.append(session)
    app.on_shutdown.append(_stop)
    app.router.add_post("/", _handle)
    return app


async def _handle(request: web.Request) -> web.Response:
    event = to_event(await request.json())
    if event is None or not _is_of_photo(event):
        return web.Response(status=204)
    accepted = await _invoke(request.app, event)
    if accepted:
        later = asyncio.create_task(_again(request.app, event))
        request.app[_LATER].add(later)
        later.add_done_callback(request.app[_LATER].discard)
    # SeaweedFS resends the event until it gets a 2xx.
    return web.Response(status=204 if accepted else 503)


def _is_of_photo(event: dict[str, Any]) -> bool:
    key, previews = event["detail"]["object"]["key"], os.environ.get("PREW_PREVIEW_PREFIX") or "prew"
    photos = source_keys(os.environ, event["detail"]["bucket"]["name"])
    return key.startswith(photos) and not key.startswith(f"{previews}/")


async def _invoke(app: web.Application, event: dict[str, Any]) -> bool:
    """Invoke the function asynchronously; return whether it was accepted."""
    headers = {"X-Amz-Invocation-Type": "Event"}
    try:
        async with app[_SESSION].post(app[_INVOKE_URL], json=event, headers=headers) as answer:
            return answer.status == _ACCEPTED
    except (ClientError, TimeoutError):
        return False


async def _again(app: web.Application, event: dict[str, Any]) -> None:
    """Deliver an event after the delay, in the form of SQS, a few times if it is not accepted."""
    for _ in range(_TRIES):
        await asyncio.sleep(app[_AGAIN_S])
        if await _invoke(app, {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(event)}]}):
            return


async def _stop(app: web.Application) -> None:
    later = app[_LATER]
    for task in tuple(later):
        task.cancel()


if __name__ == "__main__":
    typer.run(main)
