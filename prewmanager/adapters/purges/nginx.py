"""Each nginx, by the port that PREW_NGINX_PURGE_LISTEN opens: it deletes the copies on its own disk.

A name may have several addresses, each of another nginx, and others in a minute; so it is resolved for each purge.
"""

from __future__ import annotations

import asyncio
import socket

import aiohttp

from prewmanager.adapters.purges.http import parts, post
from prewmanager.errors import CacheUnavailable
from prewmanager.purging.copies import Copies

MOST_KEYS = 500  # of one request: less than a megabyte


class Nginx:
    """A `Cache`: the nginx at all addresses of one name."""

    is_behind = True
    is_billed = False

    def __init__(self, http: aiohttp.ClientSession, host: str, port: int, bucket: str = "") -> None:
        """`bucket` is that of a further source; empty: nginx's own."""
        self._http = http
        self._host = host
        self._port = port
        self._of_bucket = {"bucket": bucket} if bucket else {}
        self.name = f"nginx:{host}:{port}"

    async def purge(self, copies: Copies) -> None:
        """Have each of them delete its copies. Raises `CacheUnavailable`, after all, if one could not be told."""
        if not (copies.keys or copies.starts):
            return
        addresses = await self._addresses()
        answers = await asyncio.gather(*(self._purged(each, copies) for each in addresses), return_exceptions=True)
        for error in answers:
            if isinstance(error, BaseException):
                raise error

    async def _purged(self, address: str, copies: Copies) -> None:
        url = f"http://{f'[{address}]' if ':' in address else address}:{self._port}/purge"
        # With no keys at all, one request for the beginnings.
        for number, keys in enumerate(list(parts(copies.keys, MOST_KEYS)) or [[]]):
            starts = [] if number else list(copies.starts)
            await post(
                self._http, f"{self.name} at {address}", url, {"keys": keys, "starts": starts, **self._of_bucket}
            )

    async def _addresses(self) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise CacheUnavailable(f"{self.name}: the name has no address: {error}") from error
        return list(dict.fromkeys(str(each[4][0]) for each in found))
