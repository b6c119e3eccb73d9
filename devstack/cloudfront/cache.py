"""CloudFront's cache: which responses it stores, and for how long.

docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Expiration.html, and HTTPStatusCodes.html for errors.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

# Seconds. infra/edge.yaml sets the CachePolicy's, and the error caching minimum of 500, 502, 503 and 504; that of other
# errors is CloudFront's default.
DEFAULT_TTL = 86_400
MAX_TTL = 31_536_000
ERROR_MIN_TTL = 10
SERVER_ERROR_MIN_TTL = 1

_ERRORS_FROM, _SERVER_ERRORS_FROM = 400, 500
_ALWAYS_KEPT = frozenset({404, 414, 500, 501, 502, 503, 504})
# .../DeveloperGuide/http-3xx-status-codes.html
_KEPT_IF_STATED = frozenset({307, 308})
_AGE = re.compile(r"(?:^|[\s,])(s-maxage|max-age)\s*=\s*\"?(\d+)")
_FORBIDDEN = re.compile(r"(?:^|[\s,])(?:no-cache|no-store|private)(?:$|[\s,=])")


@dataclass(frozen=True)
class Response:
    """A complete response as the viewer gets it; header names keep their case."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return all values of a header, joined by commas; empty if there are none."""
        return ", ".join(value for each, value in self.headers if each.lower() == name)


def lifetime_s(response: Response) -> int:
    """Return for how many seconds a response is cached; 0: not at all."""
    directives = response.header("cache-control").lower()
    ages = {name: int(seconds) for name, seconds in _AGE.findall(directives)}
    age = ages.get("s-maxage", ages.get("max-age"))
    if response.status >= _SERVER_ERRORS_FROM and _is_kept(response):
        return min(max(SERVER_ERROR_MIN_TTL, age or 0), MAX_TTL)  # whatever else the header contains
    if _FORBIDDEN.search(directives) or (response.status >= _ERRORS_FROM and age is None and not _is_kept(response)):
        return 0
    if response.status in _KEPT_IF_STATED and not directives:
        return 0
    if response.status >= _ERRORS_FROM:
        return min(max(ERROR_MIN_TTL, age or 0), MAX_TTL)
    return min(DEFAULT_TTL if age is None else age, MAX_TTL)


def _is_kept(response: Response) -> bool:
    return response.status in _ALWAYS_KEPT


@dataclass(frozen=True)
class _Kept:
    response: Response
    since: float
    until: float


class Cache:
    """A least-recently-used cache of responses by key, with up to `max_bytes` of bodies."""

    def __init__(self, max_bytes: int = 128 * 1024 * 1024, now: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._now = now
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> tuple[Response, int] | None:
        """Return a response that has not expired, and its age in seconds."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= self._now():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept.response, int(self._now() - kept.since)

    def put(self, key: str, response: Response) -> None:
        """Cache a response for its lifetime."""
        lifetime = lifetime_s(response)
        if lifetime <= 0 or len(response.body) > self._max_bytes:
            return
        self._drop(key)
        self._kept[key] = _Kept(response, self._now(), self._now() + lifetime)
        self._bytes += len(response.body)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept:
            self._bytes -= len(kept.response.body)
