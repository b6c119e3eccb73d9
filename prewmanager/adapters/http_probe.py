"""Sends one GET request and returns the unprocessed answer, to locate faults in the request path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import ClientError, ClientSession, ClientTimeout, ConnectionTimeoutError
from yarl import URL

_MAX_BYTES = 4096  # of a body


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; if there was none, `status` is 0 and `body` is the reason, `timed_out` if it did not come in time."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timed_out: bool = False


async def get(url: str, *, within_s: float) -> Reply:
    """Request a percent-encoded URL exactly as given, without following redirects; a failure has status 0."""
    try:
        timeout = ClientTimeout(total=within_s, sock_connect=within_s / 2)
        async with (
            ClientSession(timeout=timeout) as session,
            session.get(URL(url, encoded=True), allow_redirects=False) as response,
        ):
            body = await response.content.read(_MAX_BYTES)
            return Reply(response.status, body.decode(errors="replace"), response.headers.copy())
    except ConnectionTimeoutError:
        return Reply(0, f"no connection within {within_s / 2:g} s")
    except TimeoutError:
        return Reply(0, f"silence for {within_s:g} s", timed_out=True)
    except (ClientError, OSError, ValueError) as error:
        return Reply(0, str(error) or type(error).__name__)
