"""Builds responses in CloudFront's format: an image within its size limit, a problem, or the origin's own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from lambda_resize.edge.errors import EdgeError
from lambda_resize.edge.headers import Headers, replaced, with_values, without_its_life
from lambda_resize.preview import Preview

REASON = "X-Resize-Error"

_ETAG_BYTES = 16


def image_response(preview: Preview, headers: Headers, max_age_s: int, added: Mapping[str, str]) -> dict[str, Any]:
    """Build the response with an image; `headers` are the origin's, `added` further ones."""
    etag = hashlib.blake2b(preview.data, digest_size=_ETAG_BYTES).hexdigest()
    response = _image_head(headers, max_age_s, preview.content_type, etag, added)
    return response | {"body": base64.b64encode(preview.data).decode(), "bodyEncoding": "base64"}


def room_for_an_image(headers: Headers, added: Mapping[str, str], max_answer_bytes: int) -> int:
    """Return how many characters of base64 a response with these headers may have, to stay within the limit."""
    longest = _image_head(headers, 10**9, "image/jpeg", "0" * 2 * _ETAG_BYTES, added)
    return max_answer_bytes - response_bytes(longest | {"body": "", "bodyEncoding": "base64"})


def problem_response(error: EdgeError, status: int, headers: Headers) -> dict[str, Any]:
    """Build the error response for the viewer."""
    phrase = HTTPStatus(status).phrase
    values = {"Content-Type": "application/problem+json", "X-Content-Type-Options": "nosniff", **_reason(error)}
    problem = {"type": "about:blank", "title": error.title or phrase, "status": status}
    text = json.dumps(problem | ({"detail": str(error)} if error.explains else {}))
    head = {"status": str(status), "statusDescription": phrase, "headers": replaced(headers, values)}
    return head | {"body": text, "bodyEncoding": "text"}


def passed_response(error: EdgeError, response: Mapping[str, Any]) -> dict[str, Any]:
    """Return the origin's own response, kept as long as the error is; without a body: CloudFront keeps the origin's."""
    # A cookie of an answer that was not to be kept is for one viewer alone.
    headers = {name: value for name, value in without_its_life(response["headers"]).items() if name != "set-cookie"}
    return {**response, "headers": with_values(headers, _reason(error))}


def response_bytes(response: Mapping[str, Any]) -> int:
    """Return a response's size in bytes, as CloudFront receives it."""
    return len(json.dumps(response, ensure_ascii=False).encode())


def http_date(text: str) -> str:
    """Return a date header in HTTP's own form, or now in place of one that is missing or malformed."""
    try:
        return formatdate(parsedate_to_datetime(text).timestamp(), usegmt=True)
    except (TypeError, ValueError, OverflowError, OSError):
        return formatdate(usegmt=True)


def _image_head(
    headers: Headers, max_age_s: int, content_type: str, etag: str, added: Mapping[str, str]
) -> dict[str, Any]:
    values = {
        "Content-Type": content_type,
        "Cache-Control": f"max-age={max_age_s}",
        "ETag": f'"{etag}"',
        "X-Content-Type-Options": "nosniff",
        **added,
    }
    return {"status": "200", "statusDescription": HTTPStatus.OK.phrase, "headers": replaced(headers, values)}


def _reason(error: EdgeError) -> dict[str, str]:
    return {REASON: error.reason, "Cache-Control": f"max-age={error.max_age_s}"}
