"""A Lambda endpoint whose invocations wait until a test opens its gate; counts them, and misbehaves as scripted."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

from devstack.backends import S3, s3_client


class InvokeEndpoint(ABC):
    """Counts invocations, and holds them until `gate` is set.

    As in Lambda, an invocation goes on when its caller is gone.
    """

    def __init__(self, *, is_open: bool = False) -> None:
        self.url = ""
        self.gate = asyncio.Event()
        if is_open:
            self.gate.set()
        self.entered = asyncio.Event()
        self.invocations: Counter[str] = Counter()
        self.jpeg_efforts: Counter[int | None] = Counter()
        self.in_flight = self.most_at_once = self.finished = 0
        self._changed = asyncio.Condition()
        # Scripted answers to the next invocations, which precede regular ones.
        self.script: deque[web.Response] = deque()

    @abstractmethod
    async def answer(self, event: dict[str, Any]) -> web.Response:
        """Answer an invocation once the gate is open."""

    @property
    def calls(self) -> int:
        """The number of invocations so far."""
        return sum(self.invocations.values())

    def app(self) -> web.Application:
        """Build Lambda's Invoke API, as an aiohttp application."""
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/2015-03-31/functions/{name}/invocations", self._invoke)
        return app

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serve in this process, at `url`."""
        async with TestServer(self.app()) as server:
            self.url = f"http://127.0.0.1:{server.port}"
            yield self

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return when a condition holds that the start or end of an invocation can change."""
        async with self._changed:
            await self._changed.wait_for(holds)

    async def _invoke(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Amz-Invocation-Type") == "DryRun":
            return web.Response(status=204)
        event = await request.json()
        self.jpeg_efforts[event.get("jpeg_effort")] += 1
        return await asyncio.shield(asyncio.create_task(self._run(event)))

    async def _run(self, event: dict[str, Any]) -> web.Response:
        async with self._counted(event["src_key"]):
            if self.script:
                return self.script.popleft()
            if event["src_key"].endswith("/__doctor__/none.jpg"):  # by which `doctor` asks for a missing photo
                return failed("missing")
            await self.gate.wait()
            return await self.answer(event)

    @contextlib.asynccontextmanager
    async def _counted(self, key: str) -> AsyncIterator[None]:
        self.invocations[key] += 1
        self.entered.set()
        self.in_flight += 1
        self.most_at_once = max(self.most_at_once, self.in_flight)
        await self._notify()
        try:
            yield
        finally:
            self.in_flight -= 1
            self.finished += 1
            await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class GatedLambda(InvokeEndpoint):
    """Answers by the function's contract, and stores the preview in S3."""

    def __init__(self, s3: S3, *, is_open: bool = False, picture_bytes: int = 50_000) -> None:
        super().__init__(is_open=is_open)
        self._s3 = s3_client(s3)
        self._picture_bytes = picture_bytes

    async def answer(self, event: dict[str, Any]) -> web.Response:
        return web.json_response(await asyncio.to_thread(self._make, event, self.calls))

    def _make(self, event: dict[str, Any], call: int) -> dict[str, Any]:
        picture = f"{event['src_key']} {call}".encode() + b"." * self._picture_bytes
        stored = self._s3.put_object(
            Bucket=event["dst_bucket"],
            Key=preview_key(event),
            Body=picture,
            ContentType="image/jpeg",
            CacheControl="max-age=60",
            Metadata={"preset-fingerprint": event["fingerprint"]},
        )
        data = base64.b64encode(picture).decode()
        return {"status": True, "content_type": "image/jpeg", "data": data, "etag": stored["ETag"]}


def preview_key(event: dict[str, Any]) -> str:
    """Return the key under which an invocation stores its preview."""
    source: str = event["src_key"]
    return source.replace(event["rewrite_part"], f"{event['root_folder']}/{event['preset_name']}", 1)


def refused(error: str, status: int) -> web.Response:
    """Return Lambda's answer to a request for which the function did not run."""
    return web.json_response({"message": "secret"}, status=status, headers={"x-amzn-ErrorType": error})


def throttled(retry_after: str = "0") -> web.Response:
    """Return Lambda's answer above its concurrency limit."""
    headers = {"x-amzn-ErrorType": "TooManyRequestsException", "Retry-After": retry_after}
    return web.json_response({"message": "Rate Exceeded."}, status=429, headers=headers)


def function_error() -> web.Response:
    """Return Lambda's answer for a function that raised."""
    body = json.dumps({"errorMessage": "secret", "errorType": "ValueError"})
    return web.Response(body=body, headers={"X-Amz-Function-Error": "Unhandled"})


def failed(kind: str, **more: object) -> web.Response:
    """Return the function's answer when it cannot render the preview."""
    return web.json_response({"status": False, "error": "secret", "kind": kind, **more})
