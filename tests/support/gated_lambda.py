"""A Lambda endpoint that stands still until the test lets it go, counts, and misbehaves as a test scripts it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import Counter, deque
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from devstack.backends import S3, s3_client


class GatedLambda:
    """Answers in the function's contract and writes the preview to S3, once `gate` is set."""

    def __init__(self, s3: S3) -> None:
        self._s3 = s3_client(s3)
        self.url = ""
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.invocations: Counter[str] = Counter()
        # Answers for the next invocations, before it behaves.
        self.script: deque[web.Response] = deque()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[GatedLambda]:
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/2015-03-31/functions/{name}/invocations", self._invoke)
        async with TestServer(app) as server:
            self.url = f"http://127.0.0.1:{server.port}"
            yield self

    async def _invoke(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Amz-Invocation-Type") == "DryRun":
            return web.Response(status=204)
        event = await request.json()
        self.invocations[event["src_key"]] += 1
        self.entered.set()
        if self.script:
            return self.script.popleft()
        await self.gate.wait()
        return web.json_response(await asyncio.to_thread(self._make, event, sum(self.invocations.values())))

    def _make(self, event: dict[str, Any], call: int) -> dict[str, Any]:
        picture = f"{event['src_key']} {call}".encode() + b"." * 50_000
        key = event["src_key"].replace(event["rewrite_part"], f"{event['root_folder']}/{event['preset_name']}", 1)
        stored = self._s3.put_object(
            Bucket=event["dst_bucket"], Key=key, Body=picture, ContentType="image/jpeg", CacheControl="max-age=60"
        )
        data = base64.b64encode(picture).decode()
        return {"status": True, "content_type": "image/jpeg", "data": data, "etag": stored["ETag"]}


def throttled(retry_after: str = "0") -> web.Response:
    """What Lambda answers above its concurrency."""
    headers = {"x-amzn-ErrorType": "TooManyRequestsException", "Retry-After": retry_after}
    return web.json_response({"message": "Rate Exceeded."}, status=429, headers=headers)


def function_error() -> web.Response:
    """What Lambda answers for a function that raised."""
    body = json.dumps({"errorMessage": "secret", "errorType": "ValueError"})
    return web.Response(body=body, headers={"X-Amz-Function-Error": "Unhandled"})


def failed(kind: str) -> web.Response:
    """What the function answers when it cannot make the preview."""
    return web.json_response({"status": False, "error": "secret", "kind": kind})
