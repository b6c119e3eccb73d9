"""Clients: each sends one kind of request, and reports what came of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from aiohttp import ClientError, ClientSession
from yarl import URL

from tests.soak.pictures import ACCEPT
from tests.soak.system import TIMES
from tests.soak.truth import Answer, Cut, Hanging, Outcome, Photo, Request

# Longer than the service lets anybody wait, and shorter than nginx waits for the service.
HANGING_S = TIMES["PREW_WAIT_TIMEOUT"] + 5
STORED = "stored"  # the folder of photos whose previews are all stored
Observe = Callable[[Request, Outcome, float, float], None]
_SLOW_READ = 8_192
_SLOW_PAUSE_S = 0.1


class Clients:
    """Sends requests to one address, and passes each outcome to `observe` with the times of its start and end."""

    def __init__(self, url: str, session: ClientSession, observe: Observe) -> None:
        self._url, self._session, self._observe = url, session, observe

    async def send(self, request: Request) -> Outcome:
        """Send a request and read the whole answer."""
        return await self._timed(request, self._whole(request))

    async def read_slowly(self, request: Request) -> Outcome:
        """Send a request, and read the answer a little at a time."""
        return await self._timed(request, self._slowly(request))

    async def leave(self, request: Request, after_s: float) -> None:
        """Send a request, and be gone before the answer; nobody sees it."""
        with contextlib.suppress(TimeoutError, ClientError):
            async with asyncio.timeout(after_s):
                await self._whole(request)

    async def half_a_request(self, after_s: float) -> None:
        """Send the beginning of a request, and leave."""
        url = URL(self._url)
        assert url.host is not None
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(url.host, url.port)
            with contextlib.closing(writer):
                writer.write(b"GET /prew/card/a.jpg HTTP/1.1\r\nHost: a")
                await asyncio.sleep(after_s)

    async def _timed(self, request: Request, sent: Awaitable[Outcome]) -> Outcome:
        now = asyncio.get_running_loop().time
        start = now()
        outcome: Outcome
        try:
            async with asyncio.timeout(HANGING_S):
                outcome = await sent
        except TimeoutError:
            outcome = Hanging()
        except (ClientError, OSError):
            outcome = Cut()
        self._observe(request, outcome, start, now())
        return outcome

    async def _whole(self, request: Request) -> Outcome:
        async with self._session.request(
            request.method, URL(self._url + request.path, encoded=True), headers=request.headers
        ) as answer:
            body = await answer.read()
            return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, body)

    async def _slowly(self, request: Request) -> Outcome:
        async with self._session.get(
            URL(self._url + request.path, encoded=True), headers=request.headers, read_bufsize=_SLOW_READ
        ) as answer:
            body = bytearray()
            while piece := await answer.content.read(_SLOW_READ):
                body += piece
                await asyncio.sleep(_SLOW_PAUSE_S)
            return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, bytes(body))


def preview_request(kind: str, photo: Photo, variant: str, method: str = "GET", **headers: str) -> Request:
    """Return the request for a photo's preview, as a browser sends it that gets this variant.

    Of photos in the folder `stored` all previews are.
    """
    preset = variant.partition(".")[0]
    accept = {"Accept": ACCEPT.get(variant, "*/*")}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    statuses = [416] if "Range" in named else []
    path = f"/prew/{preset}/{quote(photo.name)}"
    return Request(kind, path, photo, variant, method, accept | named, statuses, photo.name.startswith(STORED))


def photo_request(kind: str, photo: Photo, **headers: str) -> Request:
    """Return the request for a photo itself."""
    statuses = [416] if "Range" in headers else []
    return Request(kind, f"/photo/{quote(photo.name)}", photo, "", "GET", headers, statuses, stored=True)
