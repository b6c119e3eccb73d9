"""The cache key of a viewer's request: the viewer-request function, then the cache policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dukpy

# CachePolicy of infra/edge.yaml; a test compares the two.
IN_KEY = ("s", "w", "h")

_Query = dict[str, dict[str, Any]]


class FunctionFailed(Exception):
    """The viewer-request function raised; CloudFront answers 503."""


@dataclass(frozen=True)
class Normalised:
    """A viewer's request as the origin gets it; together these are the cache key."""

    uri: str
    querystring: str
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """The cache key."""
        return "\n".join([f"{self.uri}?{self.querystring}", *(f"{name}: {value}" for name, value in self.headers)])


class ViewerRequest:
    """A CloudFront Function, and the cache policy: which query strings and headers are part of the cache key.

    The function runs in QuickJS. CloudFront's own runtime supports a subset: ECMAScript 5.1 and some later features
    (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html).
    """

    def __init__(self, script: Path, headers_in_key: tuple[str, ...] = ()) -> None:
        self._engine = dukpy.JSInterpreter()
        self._engine.evaljs(script.read_text(encoding="utf-8"))
        self._headers_in_key = headers_in_key

    def normalised(self, uri: str, querystring: str, headers: Mapping[str, str] | None = None) -> Normalised:
        """Return path, query and headers as the origin gets them. Raises `FunctionFailed`.

        Path and query stay percent-encoded as they are, and the query in its order: the policy leaves parameters out,
        and sorts nothing (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/QueryStringParameters.html).

        Args:
            uri: The path.
            querystring: The query.
            headers: The viewer's, by lower-case name.
        """
        request: dict[str, Any] = {"method": "GET", "uri": uri, "querystring": _parsed(querystring), "cookies": {}}
        request["headers"] = {name: {"value": value} for name, value in (headers or {}).items()}
        event = {
            "version": "1.0",
            "context": {"eventType": "viewer-request"},
            "viewer": {"ip": "127.0.0.1"},
            "request": request,
        }
        try:
            changed = self._engine.evaljs("handler(dukpy['event'])", event=event)
        except dukpy.JSRuntimeError as error:
            raise FunctionFailed(str(error)) from error
        kept = tuple(
            (name, changed["headers"][name]["value"]) for name in self._headers_in_key if name in changed["headers"]
        )
        return Normalised(changed["uri"], _whitelisted(changed["querystring"]), kept)


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


def _whitelisted(query: str | _Query) -> str:
    """Return the parameters of the cache policy; a function may return the query as text or as an object."""
    given = query.split("&") if isinstance(query, str) else _pairs(query)
    return "&".join(pair for pair in given if pair.partition("=")[0] in IN_KEY)


def _pairs(query: _Query) -> Iterator[str]:
    for name, each in query.items():
        yield from (f"{name}={value['value']}" for value in each.get("multiValue", [each]))
