"""Lambda@Edge on the origin's response: the function's event, and CloudFront's validation of its answer.

docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html has the event,
edge-function-restrictions-all.html the headers, cloudfront-limits.html the size.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

from devstack.cloudfront.cache import Response

# CloudFront's "1 MB", headers and base64 included. The documentation does not say whether this is 10^6 or 2^20 bytes;
# the smaller one is safe.
MAX_ANSWER_BYTES = 1_000_000

_READ_ONLY = ("transfer-encoding", "via")
_DISALLOWED = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "trailer",
        "upgrade",
        "x-accel-buffering",
        "x-accel-charset",
        "x-accel-limit-rate",
        "x-accel-redirect",
        "x-cache",
        "x-forwarded-proto",
        "x-real-ip",
    }
)
# The documentation names some of X-Amzn-*; refusing all of them is safe.
_DISALLOWED_BEGINNINGS = ("x-amz-cf-", "x-amzn-", "x-edge-")
_FIRST_STATUS, _LAST_STATUS = 200, 599

Headers = dict[str, list[dict[str, str]]]


class InvalidAnswer(Exception):
    """CloudFront does not accept the function's answer; the viewer gets 502 with this text."""


def event(domain: str, request: Mapping[str, Any], response: Response) -> dict[str, Any]:
    """Return the origin-response event; `request` has `method`, `uri`, `querystring`, `headers`, `origin` and more."""
    config = {
        "distributionDomainName": domain,
        "distributionId": "ELOCAL00000000",
        "eventType": "origin-response",
        "requestId": request["headers"]["x-amz-cf-id"][0]["value"],
    }
    # Hidden from functions, in both directions.
    hidden = {name: value for name, value in request.items() if name != "headers"}
    shown = {name: value for name, value in request["headers"].items() if not _disallowed(name)}
    shown_response = {
        "headers": {name: each for name, each in header_object(response.headers).items() if not _disallowed(name)},
        "status": str(response.status),
        "statusDescription": response.reason,
    }
    return {"Records": [{"cf": {"config": config, "request": hidden | {"headers": shown}, "response": shown_response}}]}


def header_object(headers: Iterable[tuple[str, str]]) -> Headers:
    """Return headers in the form of events: lists of `key` and `value` by lower-case name."""
    found: Headers = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append({"key": name, "value": value})
    return found


def applied(answer: bytes, origin: Response) -> Response:
    """Return the viewer's response: the function's answer, or the origin's response if there is none.

    Raises:
        InvalidAnswer: The answer is too large, has another form than documented, or changes headers that it must not.
    """
    if len(answer) > MAX_ANSWER_BYTES:
        raise InvalidAnswer("the body is not a string, is not an object, or exceeds the maximum size")
    replacement = json.loads(answer)
    if not isinstance(replacement, dict) or not isinstance(replacement.get("headers", {}), dict):
        raise InvalidAnswer("the response or its headers are not an object")
    status = _status(replacement.get("status"))
    description = str(replacement.get("statusDescription", ""))
    headers = _checked_headers(replacement.get("headers", {}), origin)
    if "body" not in replacement:
        return Response(status, description, headers, origin.body)
    body = _body(replacement["body"], replacement.get("bodyEncoding", "text"))
    # It belongs to the body that is replaced.
    kept = tuple((name, value) for name, value in headers if name.lower() != "content-length")
    return Response(status, description, kept, body)


def _status(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and _FIRST_STATUS <= int(text) <= _LAST_STATUS):
        raise InvalidAnswer(f"the status {value!r} is not from {_FIRST_STATUS} to {_LAST_STATUS}")
    return int(text)


def _checked_headers(headers: Mapping[str, Any], origin: Response) -> tuple[tuple[str, str], ...]:
    for name, entries in headers.items():
        if name != name.lower() or not isinstance(entries, list):
            raise InvalidAnswer(f"the entry {name} of the headers is not a list under a lower-case name")
        if _disallowed(name):
            raise InvalidAnswer(f"the function added the disallowed header {name}")
    checked = tuple(_checked_header(name, each) for name, entries in headers.items() for each in entries)
    for name in _READ_ONLY:
        if _values(name, checked) != _values(name, origin.headers):
            raise InvalidAnswer(f"the function edited the read-only header {name}")
    return checked


def _checked_header(name: str, each: object) -> tuple[str, str]:
    if not isinstance(each, dict) or not isinstance(each.get("value"), str):
        raise InvalidAnswer(f"the header {name} has an entry without a value")
    key = each.get("key", name)
    if not isinstance(key, str) or key.lower() != name:
        raise InvalidAnswer(f"the key {key!r} differs from the name {name!r}")
    if not each["value"].isprintable():
        raise InvalidAnswer(f"the value of the header {name} has invalid characters")
    return key, each["value"]


def _values(name: str, headers: Iterable[tuple[str, str]]) -> list[str]:
    return [value for each, value in headers if each.lower() == name]


def _disallowed(name: str) -> bool:
    return name in _DISALLOWED or name.startswith(_DISALLOWED_BEGINNINGS)


def _body(body: object, encoding: object) -> bytes:
    if not isinstance(body, str) or encoding not in {"text", "base64"}:
        raise InvalidAnswer("the body is not a string, is not an object, or exceeds the maximum size")
    if encoding == "text":
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise InvalidAnswer(f"the body is not base64: {error}") from error
