"""Fastly, by surrogate key: fastly.com/documentation/reference/api/purging. It reads them from `Surrogate-Key`."""

from __future__ import annotations

import aiohttp

from prewmanager.adapters.purges.http import parts, post
from prewmanager.purging.copies import Copies

MOST_KEYS = 256  # of one request


class Fastly:
    """A `Cache`: one service."""

    is_behind = False
    is_billed = False

    def __init__(self, http: aiohttp.ClientSession, service: str, *, token: str, url: str) -> None:
        """`url` is the API's."""
        self._http = http
        self._url = f"{url}/service/{service}/purge"
        self._headers = {"Fastly-Key": token, "Accept": "application/json"}
        self.name = f"fastly:{service}"

    async def purge(self, copies: Copies) -> None:
        """Purge by surrogate key. Raises `CacheUnavailable`."""
        for keys in parts(copies.tags, MOST_KEYS):
            await post(self._http, self.name, self._url, {"surrogate_keys": keys}, self._headers)
