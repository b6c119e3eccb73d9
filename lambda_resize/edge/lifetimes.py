"""How long an answer lives, by the origin's status: what passes by itself is never kept as if it were for good."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from lambda_resize.edge.headers import Headers, with_values

A_YEAR_S = 31_536_000
# While the origin is busy or broken, it may have the object all the same.
_WHILE_IT_FAILS_S = 30
_A_MINUTE_S = 60

# The origin has no such object, or, as S3 for who may not list, does not say which it is.
_ABSENT = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
# The origin has the object: whole, in part, or unchanged.
_PRESENT = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED})
# Of Cache-Control, what says how long; `public` or `must-revalidate` alone leaves it to the cache.
_HOW_LONG = re.compile(r"(?:^|[\s,])(?:(?:s-maxage|max-age)\s*=\s*\"?\d|(?:no-cache|no-store|private)(?:$|[\s,=]))")
# CloudFront keeps these only where the origin says so (.../DeveloperGuide/http-3xx-status-codes.html).
_NOT_KEPT = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})


def image_max_age_s(status: int) -> int | None:
    """Return for how many seconds an image may replace the origin's answer; None: that passes instead."""
    if status in _ABSENT:
        return A_YEAR_S
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _WHILE_IT_FAILS_S
    return None


def with_a_short_life(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return an origin's response that passes; one for a while, such as a 302, ends after a minute unless it says when.

    CloudFront would keep it for the cache policy's default, a day.
    """
    status, headers = int(response["status"]), response["headers"]
    if _says_how_long(headers) or status in _PRESENT | _NOT_KEPT or status >= HTTPStatus.BAD_REQUEST:
        return dict(response)
    return {**response, "headers": with_values(headers, {"Cache-Control": f"max-age={_A_MINUTE_S}"})}


def _says_how_long(headers: Headers) -> bool:
    directives = ",".join(each["value"] for each in headers.get("cache-control", [])).lower()
    return "expires" in headers or bool(_HOW_LONG.search(directives))
