"""Parses the viewer's query: `s` is the image's URL, `w` and `h` are the size. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from lambda_resize.edge.errors import BadQuery
from lambda_resize.edge.settings import EdgeSettings

_NUMBER = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True)
class EdgeQuery:
    """The image at `url`, to be fitted into `width` and `height` pixels."""

    url: str
    width: int
    height: int


def parse_query(querystring: str, settings: EdgeSettings) -> EdgeQuery | None:
    """Parse the query; None if it has no `s` and so is not for this function. Raises `BadQuery`."""
    try:
        pairs = parse_qsl(querystring, keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError as error:
        raise BadQuery(f"{querystring[:200]!r}: {error}") from error
    given = {name: [value for key, value in pairs if key == name] for name in ("s", "w", "h")}
    if not given["s"]:
        return None
    # CloudFront's cache key has both values, but which of them counts is undefined.
    if twice := [name for name, values in given.items() if len(values) > 1]:
        raise BadQuery(f"{twice[0]}: given {len(given[twice[0]])} times")
    width = _side("w", given["w"], settings.default_width, settings.max_width)
    height = _side("h", given["h"], settings.default_height, settings.max_height)
    return EdgeQuery(given["s"][0], width, height)


def _side(name: str, values: list[str], default: int, high: int) -> int:
    if not values or not values[0]:
        return default
    if not _NUMBER.fullmatch(values[0]) or not 1 <= int(values[0]) <= high:
        raise BadQuery(f"{name}: {values[0][:20]!r} is not a whole number from 1 to {high}")
    return int(values[0])
