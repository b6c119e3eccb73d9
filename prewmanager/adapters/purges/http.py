"""What all of them have in common: one POST with JSON, and an answer that says whether it was understood."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import aiohttp

from prewmanager.errors import CacheUnavailable

_CONNECT_S, _ANSWER_S = 1.0, 3.0


@contextlib.asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session whose requests go to any cache; the connections close when the block ends."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_ANSWER_S)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def post(
    http: aiohttp.ClientSession, name: str, url: str, body: object, headers: Mapping[str, str] | None = None
) -> Any:
    """Send JSON and return the answer's. Raises `CacheUnavailable`, whose text has neither headers nor the address."""
    try:
        async with http.post(url, json=body, headers=headers, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                text = (await response.content.read(200)).decode(errors="replace")
                raise CacheUnavailable(f"{name}: answers {response.status}: {text}")
            return await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise CacheUnavailable(f"{name}: {type(error).__name__}: {error}") from error


def parts(several: Sequence[str], most: int) -> Iterator[list[str]]:
    """Yield all of these, no more than `most` at a time."""
    for start in range(0, len(several), most):
        yield list(several[start : start + most])
