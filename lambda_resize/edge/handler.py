"""Lambda@Edge, on CloudFront's origin response: replaces an error of the origin by the resized image of the query.

It replaces only errors, for GET or HEAD with `s` in the query; other responses pass unchanged. It stores nothing:
CloudFront caches by `s`, `w` and `h`. It never raises, since CloudFront would answer 502.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from lambda_resize.edge.answer import image_response, problem_response
from lambda_resize.edge.errors import EdgeError, Refused, SourceFailed
from lambda_resize.edge.fetch import Network, fetch
from lambda_resize.edge.query import EdgeQuery, parse_query
from lambda_resize.edge.settings import EdgeSettings

Response = dict[str, Any]
Fetch = Callable[[str], bytes]

# The origin has the object: whole, in part, or unchanged.
_PRESENT = frozenset({"200", "206", "304"})
_METHODS = frozenset({"GET", "HEAD"})

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)  # Lambda's runtime leaves the root logger at WARNING


def handler(event: Mapping[str, Any], _context: Any) -> Response:
    """The entry point: CloudFront's origin-response event in, response out.

    The event's format: docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html.
    """
    settings, network = _packaged()
    return respond(event, settings, lambda url: fetch(url, settings, network))


def respond(event: Mapping[str, Any], settings: EdgeSettings, fetch_image: Fetch) -> Response:
    """Return the response to one event; `fetch_image` returns the bytes at a URL, or raises `EdgeError`."""
    cf = event["Records"][0]["cf"]
    response: Response = cf["response"]
    request = cf["request"]
    if response["status"] in _PRESENT or request["method"] not in _METHODS:
        return response
    entry: dict[str, Any] = {"query": request["querystring"][:2048], "origin_status": response["status"]}
    try:
        query = parse_query(request["querystring"], settings)
        if query is None:
            return response
        replacement = _image(query, cf, settings, fetch_image)
    except EdgeError as error:
        entry |= {"error": str(error)}
        replacement = problem_response(error, response["headers"])
    except Exception as error:  # noqa: BLE001 -- the viewer gets an answer in any case
        entry |= {"error": type(error).__name__, "traceback": traceback.format_exc()}
        replacement = problem_response(SourceFailed(str(error)), response["headers"])
    logger.info(
        json.dumps(entry | {"status": replacement["status"], "bytes": len(replacement["body"])}, ensure_ascii=False)
    )
    return replacement


def _image(query: EdgeQuery, cf: Mapping[str, Any], settings: EdgeSettings, fetch_image: Fetch) -> Response:
    if cf["config"]["distributionDomainName"].lower() in query.url.lower():
        raise Refused(f"{query.url!r}: is the distribution itself, which would call this function again")
    return image_response(fetch_image(query.url), query, settings, cf["response"]["headers"])


@cache
def _packaged() -> tuple[EdgeSettings, Network]:
    return EdgeSettings.packaged(), Network()
