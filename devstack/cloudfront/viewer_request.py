"""The cache key of a viewer's request: the viewer-request function, then the cache policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dukpy

# CachePolicy of infra/edge.yaml; a test compares the two.
IN_KEY = ("s", "w", "h")

_Query = dict[str, dict[str, Any]]


class FunctionFailed(Exception):
    """The viewer-request function raised; CloudFront answers 503."""


class ViewerRequest:
    """A CloudFront Function, and the query strings that are part of the cache key.

    The function runs in QuickJS. CloudFront's own runtime supports a subset: ECMAScript 5.1 and some later features
    (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html).
    """

    def __init__(self, script: Path) -> None:
        self._engine = dukpy.JSInterpreter()
        self._engine.evaljs(script.read_text(encoding="utf-8"))

    def normalised(self, uri: str, querystring: str) -> tuple[str, str]:
        """Return path and query as the origin gets them; together they are the cache key. Raises `FunctionFailed`.

        Both stay percent-encoded as they are.
        """
        event = {
            "version": "1.0",
            "context": {"eventType": "viewer-request"},
            "viewer": {"ip": "127.0.0.1"},
            "request": {"method": "GET", "uri": uri, "querystring": _parsed(querystring), "headers": {}, "cookies": {}},
        }
        try:
            request = self._engine.evaljs("handler(dukpy['event'])", event=event)
        except dukpy.JSRuntimeError as error:
            raise FunctionFailed(str(error)) from error
        return request["uri"], _joined(request["querystring"])


def _parsed(querystring: str) -> _Query:
    """Return the form of CloudFront Functions' events: a value, and all values of a name that occurs repeatedly."""
    values: dict[str, list[str]] = {}
    for pair in filter(None, querystring.split("&")):
        name, _, value = pair.partition("=")
        values.setdefault(name, []).append(value)
    return {
        name: {"value": given[0]} | ({"multiValue": [{"value": each} for each in given]} if len(given) > 1 else {})
        for name, given in values.items()
    }


def _joined(query: _Query) -> str:
    pairs = [
        f"{name}={each['value']}"
        for name in IN_KEY
        if name in query
        for each in query[name].get("multiValue", [query[name]])
    ]
    return "&".join(pairs)
