"""Lambda@Edge, on CloudFront's origin response: replaces an error of the origin by the resized image of the query.

It replaces only errors, for GET or HEAD with `s` in the query; other responses pass. It stores nothing: CloudFront
caches by `s`, `w` and `h`. It never raises, since CloudFront would answer 502.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from lambda_resize.edge.accept import accepted_format
from lambda_resize.edge.answer import (
    REASON,
    http_date,
    image_response,
    passed_response,
    problem_response,
    room_for_an_image,
)
from lambda_resize.edge.errors import Broken, EdgeError, NotAnImage, Refused
from lambda_resize.edge.fetch import Network, Source, fetch
from lambda_resize.edge.headers import vary_by_accept
from lambda_resize.edge.lifetimes import image_max_age_s, with_a_short_life
from lambda_resize.edge.query import asks_for_an_image, parse_query
from lambda_resize.edge.rendering import fitted, grey, specs
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.edge.urls import loggable

Response = dict[str, Any]
Fetch = Callable[[str, float], Source]

_METHODS = frozenset({"GET", "HEAD"})
_UNPROCESSABLE = 422

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)  # Lambda's runtime leaves the root logger at WARNING


def handler(event: Mapping[str, Any], _context: Any) -> Response:
    """The entry point: CloudFront's origin-response event in, response out.

    The event's format: docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html.
    """
    settings, network = _packaged()
    return respond(event, settings, lambda url, end: fetch(url, settings, network, end))


def respond(event: Mapping[str, Any], settings: EdgeSettings, fetch_image: Fetch) -> Response:
    """Return the response to one event.

    `fetch_image` returns the image at a URL by a time of `time.monotonic`, or raises `EdgeError`.
    """
    cf = event["Records"][0]["cf"]
    response: Response = cf["response"]
    if cf["request"]["method"] not in _METHODS or not asks_for_an_image(cf["request"]["querystring"]):
        return response
    max_age_s = image_max_age_s(int(response["status"]))
    if max_age_s is None:
        return with_a_short_life(response)
    error: EdgeError | None = None
    try:
        replacement = _image(cf, settings, fetch_image, max_age_s)
    except EdgeError as known:
        error, replacement = known, _failed(known, cf, settings)
    except Exception as unknown:  # noqa: BLE001 -- the viewer gets an answer in any case
        error = Broken(f"{type(unknown).__name__}: {traceback.format_exc()}")
        replacement = passed_response(error, response)
    _log(cf, replacement, error)
    return replacement


def _image(cf: Mapping[str, Any], settings: EdgeSettings, fetch_image: Fetch, max_age_s: int) -> Response:
    end = time.monotonic() + settings.total_timeout_s
    query, headers = parse_query(cf["request"]["querystring"], settings), cf["response"]["headers"]
    if _is_itself(query.url, cf["config"]["distributionDomainName"]):
        raise Refused(f"{loggable(query.url)!r}: is the distribution itself, which would call this function again")
    source = fetch_image(query.url, end)
    added = {"Last-Modified": http_date(source.last_modified), **_vary(headers, settings)}
    room = room_for_an_image(headers, added, settings.max_answer_bytes)
    preview = fitted(source.data, specs(query, settings, _output(cf["request"], settings)), settings, room, end)
    return image_response(preview, headers, max_age_s, added)


def _is_itself(url: str, domain: str) -> bool:
    return url.partition("://")[2].lower().startswith(domain.lower())


def _output(request: Mapping[str, Any], settings: EdgeSettings) -> str | None:
    accept = ", ".join(each["value"] for each in request["headers"].get("accept", []))
    return accepted_format(accept, settings.formats)


def _vary(headers: Mapping[str, Any], settings: EdgeSettings) -> dict[str, str]:
    return {"Vary": vary_by_accept(headers)} if settings.formats else {}


def _failed(error: EdgeError, cf: Mapping[str, Any], settings: EdgeSettings) -> Response:
    headers, status = cf["response"]["headers"], error.status
    if isinstance(error, NotAnImage) and settings.undecodable != "origin":
        if settings.undecodable == "picture":
            query = parse_query(cf["request"]["querystring"], settings)
            return image_response(grey(query), headers, error.max_age_s, {REASON: error.reason})
        status = _UNPROCESSABLE
    return problem_response(error, status, headers) if status else passed_response(error, cf["response"])


def _log(cf: Mapping[str, Any], replacement: Response, error: EdgeError | None) -> None:
    entry: dict[str, Any] = {
        "query": loggable(cf["request"]["querystring"]),
        "origin_status": cf["response"]["status"],
        "status": replacement["status"],
        "bytes": len(replacement.get("body", "")),
    }
    failure = {"reason": error.reason, "error": str(error)} if error else {}
    logger.info(json.dumps(entry | failure, ensure_ascii=False))


@cache
def _packaged() -> tuple[EdgeSettings, Network]:
    return EdgeSettings.packaged(), Network()
