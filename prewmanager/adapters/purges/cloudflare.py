"""Cloudflare, by tag: developers.cloudflare.com/api/resources/cache/methods/purge. It reads them from `Cache-Tag`."""

from __future__ import annotations

import aiohttp

from prewmanager.adapters.purges.http import parts, post
from prewmanager.errors import CacheUnavailable
from prewmanager.purging.copies import Copies

MOST_TAGS = 30  # of one request, on every plan


class Cloudflare:
    """A `Cache`: one zone."""

    is_behind = False
    is_billed = False

    def __init__(self, http: aiohttp.ClientSession, zone: str, *, token: str, url: str) -> None:
        """`url` is the API's, with its version."""
        self._http = http
        self._url = f"{url}/zones/{zone}/purge_cache"
        self._headers = {"Authorization": f"Bearer {token}"}
        self.name = f"cloudflare:{zone}"

    async def purge(self, copies: Copies) -> None:
        """Purge by tag. Raises `CacheUnavailable`."""
        for tags in parts(copies.tags, MOST_TAGS):
            answer = await post(self._http, self.name, self._url, {"tags": tags}, self._headers)
            if not (isinstance(answer, dict) and answer.get("success") is True):
                errors = answer.get("errors") if isinstance(answer, dict) else answer
                raise CacheUnavailable(f"{self.name}: {errors}")
