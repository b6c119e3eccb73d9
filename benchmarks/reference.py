"""The reference implementation: a lock without NX, and polling by every waiter.

GET key ── a result ─▶ answer
        ├─ absent ──▶ SET key "blocked" EX 30, invoke, SET key <the answer's JSON> EX 30, answer
        └─ "blocked" ▶ GET again every 500 ms, up to 100 times, then 500

Requests that arrive between GET and SET also find the key absent, and invoke as well.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import aioboto3
import typer
from aiobotocore.config import AioConfig
from aiohttp import web
from redis.asyncio import BlockingConnectionPool, Redis

from benchmarks.serving import serve
from devstack.backends import ACCESS_KEY, REGION, SECRET_KEY
from tests.support.site import FUNCTION

_BLOCKED = b"blocked"
_TTL_S = 30
_POLL_S = 0.5
_POLLS = 100


class Reference:
    """One replica."""

    def __init__(self, redis_url: str, lambda_url: str) -> None:
        # As large as the service's pool, and blocking: otherwise the hundred-and-first waiter would get 500.
        self._redis = Redis(connection_pool=BlockingConnectionPool.from_url(redis_url, max_connections=64))
        self._lambda_url = lambda_url
        self._client: Any = None

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Keep the clients open while the application runs."""
        config = AioConfig(retries={"total_max_attempts": 1, "mode": "standard"}, max_pool_connections=64)
        client = aioboto3.Session().client(
            "lambda",
            region_name=REGION,
            endpoint_url=self._lambda_url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=config,
        )
        async with client as self._client, self._redis:
            yield

    async def preview(self, request: web.Request) -> web.Response:
        """Answer a request for a preview."""
        key = request.path
        value = await self._redis.get(key)
        if value is None:
            return _answered(await self._make(key))
        for _ in range(_POLLS):
            if value is not None and value != _BLOCKED:
                return _answered(value)
            await asyncio.sleep(_POLL_S)
            value = await self._redis.get(key)
        return web.Response(status=500)

    async def _make(self, key: str) -> bytes:
        await self._redis.set(key, _BLOCKED, ex=_TTL_S)
        _, root_folder, preset, rest = key.split("/", 3)
        event = {
            "src_key": f"photo/{rest}",
            "src_bucket": "photos",
            "dst_bucket": "photos",
            "root_folder": root_folder,
            "preset_name": preset,
            "rewrite_part": "photo",
            "width": 720,
        }
        response = await self._client.invoke(FunctionName=FUNCTION, Payload=json.dumps(event).encode())
        async with response["Payload"] as stream:
            result: bytes = await stream.read()
        await self._redis.set(key, result, ex=_TTL_S)
        return result


def _answered(result: bytes | str) -> web.Response:
    made = json.loads(result)
    return web.Response(body=base64.b64decode(made["data"]), content_type=made["content_type"])


def main(
    port: Annotated[int, typer.Option()],
    redis_url: Annotated[str, typer.Option()],
    lambda_url: Annotated[str, typer.Option()],
) -> None:
    """Serve until a signal ends the process."""
    reference = Reference(redis_url, lambda_url)
    app = web.Application()
    app.cleanup_ctx.append(reference.running)
    app.router.add_get("/{path:.*}", reference.preview)
    serve(app, port)


if __name__ == "__main__":
    typer.run(main)
