"""The Invoke API (2015-03-31) as SDKs call it, and `GET /-/stats`."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from devstack.aws_lambda.answers import (
    JSON_TYPE,
    PAYLOAD_LIMIT_BYTES,
    InvalidParameterValue,
    InvalidRequestContent,
    Outcome,
    RequestTooLarge,
    ResourceNotFound,
    ServiceError,
)
from devstack.aws_lambda.event_queue import EVENT_LIMIT_BYTES, EventQueue
from devstack.aws_lambda.function import LATEST, Function, split_name
from devstack.aws_lambda.pool import Pool
from devstack.aws_lambda.runtime_api import Invocation
from devstack.aws_lambda.stats import Stats

_REQUEST_ID = "x-amzn-RequestId"
_POOLS: web.AppKey[Mapping[str, Pool]] = web.AppKey("pools")
_QUEUES: web.AppKey[Mapping[str, EventQueue]] = web.AppKey("queues")
_STATS = web.AppKey("stats", Stats)
_KINDS = frozenset({"RequestResponse", "DryRun", "Event"})


def create_app(pools: Mapping[str, Pool], stats: Stats, retry_pause_s: float) -> web.Application:
    """Build the server for these functions; its cleanup ends their sandboxes.

    A failed asynchronous invocation is retried after `retry_pause_s`, and again after twice that.
    """
    app = web.Application(middlewares=[_service_errors], client_max_size=PAYLOAD_LIMIT_BYTES)
    app[_POOLS] = pools
    app[_QUEUES] = {name: EventQueue(pool, retry_pause_s) for name, pool in pools.items()}
    app[_STATS] = stats
    app.router.add_post("/2015-03-31/functions/{name}/invocations", _invoke)
    app.router.add_get("/-/stats", _show_stats)
    app.cleanup_ctx.append(_sandboxes)
    return app


async def _sandboxes(app: web.Application) -> AsyncIterator[None]:
    yield
    await asyncio.gather(*(queue.close() for queue in app[_QUEUES].values()))
    await asyncio.gather(*(pool.close() for pool in app[_POOLS].values()))


@web.middleware
async def _service_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ServiceError as error:
        headers = {_REQUEST_ID: str(uuid.uuid4()), "x-amzn-ErrorType": error.error_type, **error.headers}
        return web.json_response(error.body(), status=error.status, headers=headers)


async def _invoke(request: web.Request) -> web.Response:
    name = _function(request)
    kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
    if kind not in _KINDS:
        raise InvalidParameterValue(f"invocation type {kind!r}: none of {', '.join(sorted(_KINDS))}")
    invocation = Invocation(await _event(request))
    headers = {_REQUEST_ID: invocation.request_id, "X-Amz-Executed-Version": LATEST}
    if kind == "DryRun":
        return web.Response(status=204, headers=headers)
    if kind == "Event":
        if len(invocation.event) > EVENT_LIMIT_BYTES:
            raise RequestTooLarge(EVENT_LIMIT_BYTES)
        request.app[_QUEUES][name].put(invocation.event)
        return web.Response(status=202, headers=headers)
    outcome = await request.app[_POOLS][name].invoke(invocation)
    return web.Response(body=outcome.payload, content_type=JSON_TYPE, headers=headers | _function_error(outcome))


def _function(request: web.Request) -> str:
    """Return the plain name of the requested function. Raises `ServiceError`."""
    text = request.match_info["name"]
    try:
        name, qualifier = split_name(text)
    except ValueError as error:
        raise InvalidParameterValue(str(error)) from error
    if name not in request.app[_POOLS] or {qualifier, request.query.get("Qualifier", LATEST)} != {LATEST}:
        raise ResourceNotFound(text if text.startswith("arn:") else Function(text, "").arn)
    return name


async def _event(request: web.Request) -> bytes:
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise RequestTooLarge from error
    if not body:
        return b"{}"  # the event of a call without a payload
    try:
        json.loads(body)
    except ValueError as error:
        raise InvalidRequestContent(str(error)) from error
    return body


def _function_error(outcome: Outcome) -> dict[str, str]:
    # "Unhandled" also for exceptions of the function, as current runtimes report them.
    return {} if outcome.status == "ok" else {"X-Amz-Function-Error": "Unhandled"}


async def _show_stats(request: web.Request) -> web.Response:
    pids = [pid for pool in request.app[_POOLS].values() for pid in pool.pids]
    return web.json_response(request.app[_STATS].as_json(pids))
