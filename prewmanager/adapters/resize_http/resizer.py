"""The resizer that asks a `prewmanager resize-server`, exactly once for each attempt."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson

from prewmanager.adapters.http_limits import Limits
from prewmanager.adapters.resize_http.messages import MAX_ANSWER_BYTES, Reply, answer_of
from prewmanager.errors import DeadlineExceeded, Overloaded, PreviewFailed, ReplicaFailed, ResizerFailed
from prewmanager.resizing.contract import ResizeContract
from prewmanager.resizing.polish import PolishJob, PolishResult
from prewmanager.resizing.render import RenderJob, RenderResult

_KEEPALIVE_S = 12
_LATER_S = 1.0
_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
# As platforms answer that run containers, where none is free.
_FULL = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class HttpResizer:
    """Sends each job to one address, where any number of servers may answer."""

    def __init__(self, http: aiohttp.ClientSession, url: str, contract: ResizeContract) -> None:
        """`url` is that of the server's root."""
        self._http = http
        self._url = f"{url.rstrip('/')}/"
        self._contract = contract
        self._can_polish = False

    async def resize(self, job: RenderJob) -> RenderResult:
        """Have the job rendered. Raises the `PreviewFailed` of its outcome."""
        result = self._contract.result(await self._answer(self._contract.request(job)), job)
        self._can_polish = "polish" in result.can
        return result

    @property
    def can_polish(self) -> bool:
        """Whether a server has said so in its last answer: one of another version would just render."""
        return self._can_polish

    async def polish(self, job: PolishJob) -> PolishResult:
        """Have the preview polished. Raises the `PreviewFailed` of its outcome."""
        return self._contract.polish_result(await self._answer(self._contract.polish_request(job)))

    async def _answer(self, event: dict[str, Any]) -> dict[str, Any]:
        reply = await self._ask("POST", self._url, orjson.dumps(event))
        answer = answer_of(reply)
        if answer is None:
            raise _no_answer(reply)
        return answer

    async def ping(self) -> None:
        """Check that a server is there. Raises `PreviewFailed`."""
        reply = await self._ask("GET", f"{self._url}healthz")
        if reply.status != HTTPStatus.OK:
            raise _no_answer(reply)

    async def _ask(self, method: str, url: str, body: bytes | None = None) -> Reply:
        try:
            async with self._http.request(method, url, data=body, allow_redirects=False) as response:
                return Reply(response.status, response.headers, await response.read())
        except aiohttp.ConnectionTimeoutError as error:
            raise ReplicaFailed(f"the resize server is out of reach: {error}") from error
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer from the resize server: {error}") from error
        except aiohttp.ClientConnectorError as error:
            raise ReplicaFailed(f"the resize server is out of reach: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ResizerFailed(f"the resize server broke off: {error}") from error


def _no_answer(reply: Reply) -> PreviewFailed:
    """Return the failure for what somebody else answered, a platform or a proxy, or this server in another role."""
    text = f"the resize server answers {reply.status}: {reply.body[:200].decode(errors='replace')}"
    if reply.status in _FULL:
        return Overloaded(text, _seconds(reply.headers.get("Retry-After", "")))
    if reply.status in _REFUSED:
        return ReplicaFailed(f"{text}; see PREW_RESIZER_TOKEN")
    return DeadlineExceeded(text) if reply.status == HTTPStatus.GATEWAY_TIMEOUT else ResizerFailed(text)


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else _LATER_S


@contextlib.asynccontextmanager
async def open_http_resizer(
    url: str, contract: ResizeContract, *, token: str, limits: Limits
) -> AsyncIterator[HttpResizer]:
    """Open a resizer with persistent connections, which close when the block ends; an empty token is not sent."""
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limits.connections, keepalive_timeout=_KEEPALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s, sock_read=limits.read_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers | ({"Authorization": f"Bearer {token}"} if token else {}),
        max_field_size=MAX_ANSWER_BYTES,
        max_line_size=MAX_ANSWER_BYTES,
    ) as http:
        yield HttpResizer(http, url, contract)
