"""What happens to a viewer's request before the cache is asked: the viewer-request function, then the cache policy."""

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
    """A CloudFront Function, and the query strings that are part of the cache's key.

    The function runs in QuickJS. CloudFront's own runtime knows a part of the same language: ECMAScript 5.1 and some of
    what came later (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html).
    """

    def __init__(self, script: Path) -> None:
        self._engine = dukpy.JSInterpreter()
        self._engine.evaljs(script.read_text(encoding="utf-8"))

    def normalised(self, uri: str, querystring: str) -> tuple[str, str]:
        """The path and the query as the origin gets them, which together are the key. Raises `FunctionFailed`.

        Both are percent-encoded, and stay as they are encoded.
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
    """The form of CloudFront Functions' events: a value, and all values where a name stands more than once."""
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
