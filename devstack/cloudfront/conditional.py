"""Conditional requests: CloudFront answers 304 where the viewer has what the cache has (RFC 9110, 13.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime

from devstack.cloudfront.cache import Response

_OK, _NOT_MODIFIED = 200, 304
_WITHOUT_BODY = frozenset({"content-length", "content-type", "content-encoding", "transfer-encoding"})


def answered(response: Response, headers: Mapping[str, str]) -> Response:
    """Return the response, or 304 if the viewer's headers, by lower-case name, say that it has this one."""
    if response.status != _OK or not _has_it(response, headers):
        return response
    kept = tuple((name, value) for name, value in response.headers if name.lower() not in _WITHOUT_BODY)
    return replace(response, status=_NOT_MODIFIED, reason="Not Modified", headers=kept, body=b"")


def _has_it(response: Response, headers: Mapping[str, str]) -> bool:
    if wanted := headers.get("if-none-match"):
        tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
        return "*" in tags or response.header("etag").removeprefix("W/") in tags
    since, modified = headers.get("if-modified-since"), response.header("last-modified")
    if not (since and modified):
        return False
    try:
        return parsedate_to_datetime(modified) <= parsedate_to_datetime(since)
    except (TypeError, ValueError):
        return False
