"""A distribution: passes the viewer's request through cache key, cache, origin and function."""

from __future__ import annotations

import asyncio
import base64
import functools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

from devstack.cloudfront.cache import Cache, Response
from devstack.cloudfront.conditional import answered
from devstack.cloudfront.origin_response import InvalidAnswer, applied, event, header_object
from devstack.cloudfront.viewer_request import FunctionFailed, Normalised, ViewerRequest

# Seconds: infra/edge.yaml's time-outs, and Lambda@Edge's limit.
_ORIGIN_TIMEOUT = ClientTimeout(total=None, sock_connect=10, sock_read=60)
_FUNCTION_TIMEOUT = ClientTimeout(total=40)
_TOO_MANY = 429
_FIRST_ERROR = 400


@dataclass(frozen=True)
class Settings:
    """A distribution's settings.

    Attributes:
        domain: The distribution's domain name, as the function sees it.
        origin: The origin's `http://` address, without a trailing slash.
        invoke_url: The Invoke API's complete URL for the origin-response function.
    """

    domain: str
    origin: str
    invoke_url: str


@dataclass(frozen=True)
class Answer:
    """The viewer's response; `x_cache` in CloudFront's words, `age` in seconds if it comes from the cache."""

    response: Response
    x_cache: str
    request_id: str
    age: int | None = None


class _Refused(Exception):
    """CloudFront answers with an error of its own; `x_cache` is the error's name."""

    def __init__(self, status: HTTPStatus, x_cache: str, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.x_cache = x_cache


@dataclass
class Distribution:
    """A distribution with one cache behaviour; simultaneous requests for one key share a request to the origin."""

    settings: Settings
    session: ClientSession
    viewer_request: ViewerRequest
    cache: Cache = field(default_factory=Cache)
    _under_way: dict[str, asyncio.Task[Response]] = field(default_factory=dict)

    async def answer(
        self, method: str, uri: str, querystring: str, client: str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Answer a GET or HEAD request; path and query are percent-encoded, as the viewer sent them."""
        request_id = base64.urlsafe_b64encode(secrets.token_bytes(40)).decode()
        try:
            asked = self.viewer_request.normalised(uri, querystring, headers)
            # The cached response to a GET also answers HEAD.
            if found := self.cache.get(asked.key):
                response, age = found
                return Answer(answered(response, headers or {}), _x_cache("Hit", response), request_id, age)
            response = await self._made_once(asked.key, self._origin_request(method, asked, client, request_id))
        except FunctionFailed as error:
            refused = _Refused(HTTPStatus.SERVICE_UNAVAILABLE, "FunctionExecutionError", str(error))
        except _Refused as error:
            refused = error
        else:
            return Answer(answered(response, headers or {}), _x_cache("Miss", response), request_id)
        return Answer(_error_page(refused, request_id), f"{refused.x_cache} from cloudfront", request_id)

    async def _made_once(self, key: str, request: dict[str, Any]) -> Response:
        shared = f"{request['method']} {key}"
        task = self._under_way.get(shared)
        if task is None:
            task = self._under_way[shared] = asyncio.create_task(self._made(key, request))
            task.add_done_callback(functools.partial(self._done, shared))
        return await asyncio.shield(task)

    def _done(self, shared: str, task: asyncio.Task[Response]) -> None:
        del self._under_way[shared]
        if not task.cancelled():
            task.exception()  # the waiting requests raise it; if all have gone, nobody retrieves it

    async def _made(self, key: str, request: dict[str, Any]) -> Response:
        origin = await self._ask_origin(request)
        answer = await self._invoke(event(self.settings.domain, request, origin))
        try:
            response = applied(answer, origin)
        except InvalidAnswer as error:
            why = f"The Lambda function result failed validation: {error}"
            raise _Refused(HTTPStatus.BAD_GATEWAY, "LambdaValidationError", why) from error
        if request["method"] == "GET":
            self.cache.put(key, response)
        return response

    async def _ask_origin(self, request: dict[str, Any]) -> Response:
        query = f"?{request['querystring']}" if request["querystring"] else ""
        url = URL(f"{self.settings.origin}{request['uri']}{query}", encoded=True)
        sent = {each[0]["key"]: each[0]["value"] for each in request["headers"].values()}
        asked = self.session.request(
            request["method"], url, headers=sent, allow_redirects=False, timeout=_ORIGIN_TIMEOUT
        )
        try:
            async with asked as answer:
                headers = tuple((name, value) for name, value in answer.headers.items())
                return Response(answer.status, answer.reason or "", headers, await answer.read())
        except (ClientError, TimeoutError) as error:
            status = HTTPStatus.GATEWAY_TIMEOUT if isinstance(error, TimeoutError) else HTTPStatus.BAD_GATEWAY
            raise _Refused(status, "Error", f"The origin does not answer: {error}") from error

    async def _invoke(self, payload: dict[str, Any]) -> bytes:
        try:
            asked = self.session.post(self.settings.invoke_url, json=payload, timeout=_FUNCTION_TIMEOUT)
            async with asked as answer:
                body = await answer.read()
        except (ClientError, TimeoutError) as error:
            raise _execution_error(f"The Lambda service does not answer: {error}") from error
        if answer.status == _TOO_MANY:
            raise _Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, "LambdaLimitExceeded", "The Lambda function's limit is exceeded"
            )
        if answer.status != HTTPStatus.OK or "X-Amz-Function-Error" in answer.headers:
            raise _execution_error(f"The Lambda function failed: {body[:300].decode(errors='replace')}")
        return body

    def _origin_request(self, method: str, asked: Normalised, client: str, request_id: str) -> dict[str, Any]:
        """Return the request to the origin in the form that the function's event contains."""
        origin = URL(self.settings.origin)
        headers = {
            "Host": origin.authority,
            "User-Agent": "Amazon CloudFront",
            "Via": f"1.1 {self.settings.domain} (CloudFront)",
            "X-Forwarded-For": client,
            "X-Amz-Cf-Id": request_id,
            **{name.title(): value for name, value in asked.headers},
        }
        custom: dict[str, Any] = {
            "customHeaders": {},
            "domainName": origin.host,
            "keepaliveTimeout": 5,
            "path": "",
            "port": origin.port,
            "protocol": origin.scheme,
            "readTimeout": _ORIGIN_TIMEOUT.sock_read,
            "sslProtocols": ["TLSv1.2"],
        }
        return {
            "clientIp": client,
            "headers": header_object(headers.items()),
            "method": method,
            "origin": {"custom": custom},
            "querystring": asked.querystring,
            "uri": asked.uri,
        }


def _execution_error(why: str) -> _Refused:
    return _Refused(HTTPStatus.SERVICE_UNAVAILABLE, "LambdaExecutionError", why)


def _x_cache(how: str, response: Response) -> str:
    return f"{how if response.status < _FIRST_ERROR else 'Error'} from cloudfront"


def _error_page(refused: _Refused, request_id: str) -> Response:
    text = (
        f"{refused.status.value} ERROR\nThe request could not be satisfied.\n{refused}\n"
        f"Generated by cloudfront (the emulator of this local system)\nRequest ID: {request_id}\n"
    )
    headers = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))
    return Response(refused.status.value, refused.status.phrase, headers, text.encode())
