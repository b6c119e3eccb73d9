"""The Runtime API (2018-06-01) and a part of the Extensions API (2020-01-01), a listener for each sandbox.

GET  …/runtime/invocation/next            waits for an event
POST …/runtime/invocation/{id}/response   the function's answer
POST …/runtime/invocation/{id}/error      the function raised
POST …/runtime/init/error                 the function could not be loaded
POST …/extension/register                 an internal extension, for the event INVOKE
GET  …/extension/event/next               waits for one; until it asks, the sandbox is not free
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from dataclasses import dataclass, field

from aiohttp import web

from devstack.aws_lambda.answers import JSON_TYPE, PAYLOAD_LIMIT_BYTES, Outcome, response_too_large
from devstack.aws_lambda.function import Function
from devstack.programs import LOOPBACK
from devstack.serving import own_names_only

_PREFIX = "/2018-06-01/runtime"
_EXTENSION_PREFIX = "/2020-01-01/extension"
# Above Lambda's limit, so that a response over it is reported as too large, and not as a broken connection.
_READ_LIMIT_BYTES = 16 * PAYLOAD_LIMIT_BYTES


def _outcome() -> asyncio.Future[Outcome]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class Invocation:
    """One event on its way through a sandbox."""

    event: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    outcome: asyncio.Future[Outcome] = field(default_factory=_outcome)

    def finish(self, outcome: Outcome) -> None:
        """Set the outcome, unless there is one already."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class RuntimeApi:
    """The server of one sandbox: hands out one invocation at a time and receives its response."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._events: asyncio.Queue[Invocation] = asyncio.Queue(1)
        self._current: Invocation | None = None
        self.polling = asyncio.Event()
        # Whether the extension, if there is one, has done what the last invocation left to it.
        self.extension_idle = asyncio.Event()
        self.extension_idle.set()
        self._extension: str | None = None
        self._extension_events: asyncio.Queue[Invocation] = asyncio.Queue()
        self.init_error = _outcome()
        self.address = ""
        app = web.Application(middlewares=[own_names_only()], client_max_size=_READ_LIMIT_BYTES)
        app.router.add_get(f"{_PREFIX}/invocation/next", self._next)
        app.router.add_post(f"{_PREFIX}/invocation/{{id}}/response", self._response)
        app.router.add_post(f"{_PREFIX}/invocation/{{id}}/error", self._error)
        app.router.add_post(f"{_PREFIX}/init/error", self._init_error)
        app.router.add_post(f"{_EXTENSION_PREFIX}/register", self._register)
        app.router.add_get(f"{_EXTENSION_PREFIX}/event/next", self._next_of_extension)
        # Cancelled when the connection closes: a sandbox that ended must not leave a waiting `next` behind.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)

    async def start(self) -> None:
        """Listen on a free loopback port; `address` is then `host:port`."""
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, 0).start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"{host}:{port}"

    async def close(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    def hand_over(self, invocation: Invocation) -> None:
        """Hand the waiting sandbox its next event; only while `polling` is set."""
        self.polling.clear()
        self._events.put_nowait(invocation)
        if self._extension is not None:
            self.extension_idle.clear()
            self._extension_events.put_nowait(invocation)

    async def _next(self, _request: web.Request) -> web.Response:
        self.polling.set()
        try:
            invocation = self._current = await self._events.get()
        finally:
            self.polling.clear()  # also if the sandbox ended while it waited
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self._deadline_ms()),
            "Lambda-Runtime-Invoked-Function-Arn": self._function.arn,
            "Lambda-Runtime-Trace-Id": _trace_id(),
        }
        return web.Response(body=invocation.event, content_type=JSON_TYPE, headers=headers)

    async def _register(self, request: web.Request) -> web.Response:
        wanted = (await request.json()).get("events")
        if self._extension is not None or wanted != ["INVOKE"] or "Lambda-Extension-Name" not in request.headers:
            return _refused("Extension.ConfigInvalid", "one extension, with a name, and for INVOKE alone")
        self._extension = str(uuid.uuid4())
        self.extension_idle.clear()
        return web.json_response(
            {"functionName": self._function.name, "handler": self._function.handler},
            headers={"Lambda-Extension-Identifier": self._extension},
        )

    async def _next_of_extension(self, request: web.Request) -> web.Response:
        if self._extension is None or request.headers.get("Lambda-Extension-Identifier") != self._extension:
            return _refused("Extension.UnknownExtensionIdentifier", "no such extension is registered here", 403)
        self.extension_idle.set()
        invocation = await self._extension_events.get()
        return web.json_response(
            {
                "eventType": "INVOKE",
                "deadlineMs": self._deadline_ms(),
                "requestId": invocation.request_id,
                "invokedFunctionArn": self._function.arn,
            }
        )

    def _deadline_ms(self) -> int:
        return int((time.time() + self._function.timeout_s) * 1000)

    async def _response(self, request: web.Request) -> web.Response:
        invocation = self._running(request)
        if invocation is None:
            return _refused("InvalidRequestID", "no such invocation is running here")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            body = None
        if body is None or len(body) > PAYLOAD_LIMIT_BYTES:
            invocation.finish(response_too_large())
            return _refused("RequestEntityTooLarge", "the response is above the payload limit", 413)
        invocation.finish(Outcome(body))
        return _accepted()

    async def _error(self, request: web.Request) -> web.Response:
        invocation = self._running(request)
        if invocation is None:
            return _refused("InvalidRequestID", "no such invocation is running here")
        invocation.finish(Outcome(await request.read(), "error"))
        return _accepted()

    async def _init_error(self, request: web.Request) -> web.Response:
        if not self.init_error.done():
            self.init_error.set_result(Outcome(await request.read(), "error"))
        return _accepted()

    def _running(self, request: web.Request) -> Invocation | None:
        current = self._current
        if current is None or current.request_id != request.match_info["id"] or current.outcome.done():
            return None
        return current


def _trace_id() -> str:
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0"


def _accepted() -> web.Response:
    return web.json_response({"status": "OK"}, status=202)


def _refused(error_type: str, message: str, status: int = 400) -> web.Response:
    return web.json_response({"errorType": error_type, "errorMessage": message}, status=status)
