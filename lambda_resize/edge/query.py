"""Parses the viewer's query: `s` is the image's URL, `w` and `h` are the size. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from lambda_resize.edge.errors import BadQuery
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.edge.urls import spelled

_NUMBER = re.compile(r"0*([0-9]{1,5})")


@dataclass(frozen=True)
class EdgeQuery:
    """The image at `url`, to be fitted into `width` and `height` pixels; None: whatever the other side leads to."""

    url: str
    width: int | None
    height: int | None


def asks_for_an_image(querystring: str) -> bool:
    """Whether a query has an `s` that is not empty; one without is not for this function."""
    return any(_given(querystring)["s"])


def parse_query(querystring: str, settings: EdgeSettings) -> EdgeQuery:
    """Parse a query that asks for an image. Raises `BadQuery`.

    Other parameters are ignored, and so is the order.
    """
    given = _given(querystring)
    # Whichever of them counted, another program might take the other.
    if twice := [name for name, values in given.items() if len(values) > 1]:
        raise BadQuery(f"{twice[0]}: given {len(given[twice[0]])} times")
    width = _side("w", given["w"], settings.max_width)
    height = _side("h", given["h"], settings.max_height)
    return EdgeQuery(spelled(given["s"][0]), *_size(width, height, settings))


def _given(querystring: str) -> dict[str, list[str]]:
    """Return all values of each parameter that counts, as they are written."""
    given: dict[str, list[str]] = {"s": [], "w": [], "h": []}
    for pair in querystring.split("&"):
        name, _, value = pair.partition("=")
        if name in given:
            given[name].append(value)
    return given


def _side(name: str, values: list[str], high: int) -> int | None:
    text = unquote(values[0]) if values else ""
    if not text:
        return None
    number = _NUMBER.fullmatch(text)
    if not number or not 1 <= int(number[1]) <= high:
        raise BadQuery(f"{name}: {text[:20]!r} is not a whole number from 1 to {high}")
    return int(number[1])


def _size(width: int | None, height: int | None, settings: EdgeSettings) -> tuple[int | None, int | None]:
    """Return the size with what the settings add to it. Raises `BadQuery` unless it is one of `sizes`."""
    if (width, height) == (None, None):
        return settings.default_width, settings.default_height
    if settings.missing_side == "default":
        width, height = width or settings.default_width, height or settings.default_height
    asked = f"{width or ''}x{height or ''}"
    default = f"{settings.default_width}x{settings.default_height}"
    if settings.sizes and asked not in {*settings.sizes, default}:
        raise BadQuery(f"w, h: {asked} is not one of {', '.join([default, *settings.sizes])}")
    return width, height
