"""One GET of an address, as it is answered: for finding out where a road is broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

_MOST_BYTES = 4096  # of a body; more says nothing more


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `status` is 0 where there was none, and `body` says why."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


async def get(url: str, *, within_s: float) -> Reply:
    """Ask for a percent-encoded address as it stands, without following redirects."""
    try:
        timeout = ClientTimeout(total=within_s)
        async with (
            ClientSession(timeout=timeout) as session,
            session.get(URL(url, encoded=True), allow_redirects=False) as response,
        ):
            body = await response.content.read(_MOST_BYTES)
            return Reply(response.status, body.decode(errors="replace"), response.headers.copy())
    except (ClientError, OSError, ValueError) as error:
        return Reply(0, str(error) or type(error).__name__)
