"""The headers of an answer: the origin's, without those that describe the body which is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Headers = Mapping[str, Any]

# How long an answer lives, to CloudFront, browsers and caches between them.
_OF_ITS_LIFE = frozenset({"age", "cache-control", "cdn-cache-control", "expires", "pragma", "surrogate-control"})
# Of the replaced body, or of the answer that it was part of. All others stay: CORS, security, and those that an edge
# function must not change (Via, Transfer-Encoding) or cannot add (docs.aws.amazon.com/AmazonCloudFront/latest/
# DeveloperGuide/edge-function-restrictions-all.html).
_OF_THE_BODY = _OF_ITS_LIFE | frozenset(
    {
        "accept-ranges",
        "clear-site-data",
        "content-digest",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-location",
        "content-md5",
        "content-range",
        "content-type",
        "digest",
        "etag",
        "last-modified",
        "link",
        "location",
        "refresh",
        "repr-digest",
        "retry-after",
        "set-cookie",
        "www-authenticate",
        "x-goog-hash",
        "x-resize-error",
    }
)
# S3's headers are about its object, but for the ids of the request.
_OF_S3, _IDS_OF_S3 = "x-amz-", frozenset({"x-amz-request-id", "x-amz-id-2"})


def replaced(headers: Headers, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the headers of an answer with another body, and `values`; empty values are left out."""
    kept = {name: value for name, value in headers.items() if not _is_of_the_body(name.lower())}
    return with_values(kept, values)


def with_values(headers: Headers, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the headers with `values`, in the form of CloudFront's events; empty values are left out."""
    added = {name.lower(): [{"key": name, "value": value}] for name, value in values.items() if value}
    return {**headers, **added}


def without_its_life(headers: Headers) -> Headers:
    """Return the headers without what says how long the answer lives."""
    return {name: value for name, value in headers.items() if name not in _OF_ITS_LIFE}


def vary_by_accept(headers: Headers) -> str:
    """Return the value of `Vary` with `Accept` beside what the origin's answer varies by."""
    names = [name.strip() for each in headers.get("vary", []) for name in each["value"].split(",")]
    return ", ".join(dict.fromkeys([*filter(None, names), "Accept"]))


def _is_of_the_body(name: str) -> bool:
    return name in _OF_THE_BODY or (name.startswith(_OF_S3) and name not in _IDS_OF_S3)
