"""Builds responses in CloudFront's format: an image within its size limit, or a problem."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from lambda_resize.edge.errors import EdgeError, NotAnImage, TooMuch, TooSlow
from lambda_resize.edge.query import EdgeQuery
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.errors import ResizeError, TimedOut, TooLarge
from lambda_resize.resize import Preview, resize
from lambda_resize.settings import Limits
from prewmanager_presets import Spec

Headers = Mapping[str, Any]

MAX_AGE = "max-age=31536000"

# Qualities of JPEG, tried in this order if the image is too large in its own format, which may have no quality (PNG).
_QUALITIES = (70, 60, 50, 40, 30, 20)

# Headers of the replaced body. All others stay, including those that an edge function must not change (Via,
# Transfer-Encoding) or cannot add (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/
# edge-function-restrictions-all.html).
_OF_THE_BODY = frozenset(
    {
        "accept-ranges",
        "age",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-md5",
        "content-range",
        "content-type",
        "etag",
        "expires",
        "last-modified",
        "pragma",
        "retry-after",
        "x-amz-error-code",
        "x-amz-error-message",
    }
)


def image_response(source: bytes, query: EdgeQuery, settings: EdgeSettings, headers: Headers) -> dict[str, Any]:
    """Fit `source` into the query's size, on white, in a response of at most `settings.max_answer_bytes`.

    Raises:
        NotAnImage: `source` cannot be decoded.
        TooMuch: It has too many pixels, or is too large at every quality.
        TooSlow: It takes longer than the time limit.
    """
    limits = Limits(max_source_bytes=settings.max_source_bytes, max_source_pixels=settings.max_source_pixels)
    end, smallest = time.monotonic() + limits.max_seconds, 0
    for spec in _specs(query):
        left = max(0.0, end - time.monotonic())  # for all attempts together: Lambda@Edge has 30 seconds
        preview = _rendered(source, spec, replace(limits, max_seconds=left))
        response = _response(HTTPStatus.OK, headers, preview.content_type, MAX_AGE)
        response |= {"body": base64.b64encode(preview.data).decode(), "bodyEncoding": "base64"}
        smallest = response_bytes(response)
        if smallest <= settings.max_answer_bytes:
            return response
    raise TooMuch(f"{smallest} bytes at the lowest quality, the limit is {settings.max_answer_bytes}")


def problem_response(error: EdgeError, headers: Headers) -> dict[str, Any]:
    """Build the error response for the viewer."""
    cache_control = f"max-age={error.max_age_s}" if error.max_age_s else "no-store"
    response = _response(HTTPStatus(error.status), headers, "application/problem+json", cache_control)
    text = json.dumps({"type": "about:blank", "title": error.title, "status": error.status})
    return response | {"body": text, "bodyEncoding": "text"}


def response_bytes(response: Mapping[str, Any]) -> int:
    """Return a response's size in bytes, as CloudFront receives it."""
    return len(json.dumps(response, ensure_ascii=False).encode())


def _specs(query: EdgeQuery) -> list[Spec]:
    """Return sharp's `fit: 'contain'` with small images enlarged, then the same as JPEG of decreasing quality."""

    def spec(**options: Any) -> Spec:
        return Spec(query.width, query.height, fit="contain", background="#ffffff", enlarge=True, **options)

    return [spec(), *(spec(format="jpeg", quality=quality) for quality in _QUALITIES)]


def _rendered(source: bytes, spec: Spec, limits: Limits) -> Preview:
    try:
        return resize(source, spec, limits)
    except TooLarge as error:
        raise TooMuch(str(error)) from error
    except TimedOut as error:
        raise TooSlow(str(error)) from error
    except ResizeError as error:
        raise NotAnImage(str(error)) from error


def _response(status: HTTPStatus, headers: Headers, content_type: str, cache_control: str) -> dict[str, Any]:
    kept = {name: value for name, value in headers.items() if name.lower() not in _OF_THE_BODY}
    values = {"Content-Type": content_type, "Cache-Control": cache_control, "X-Content-Type-Options": "nosniff"}
    added = {name.lower(): [{"key": name, "value": value}] for name, value in values.items()}
    return {"status": str(status.value), "statusDescription": status.phrase, "headers": kept | added}
