"""Hostile SVG."""

from __future__ import annotations

_HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{0}" height="{0}">'


def svg(content: str, side: int = 400) -> bytes:
    """Return a drawing."""
    return (_HEAD.format(side) + content + "</svg>").encode()


def nested_use(levels: int, times: int = 10) -> bytes:
    """Return a drawing whose groups repeat one another: `times ** levels` squares."""
    groups = "".join(f'<g id="a{i + 1}">' + f'<use xlink:href="#a{i}"/>' * times + "</g>" for i in range(levels))
    return svg(f'<defs><rect id="a0" width="9" height="9"/>{groups}</defs><use xlink:href="#a{levels}"/>')


def filters(count: int, side: int = 4000) -> bytes:
    """Return a drawing with `count` filters in a row over all of it."""
    steps = '<feGaussianBlur stdDeviation="50"/>' * count
    return svg(f'<filter id="f">{steps}</filter><rect width="{side}" height="{side}" filter="url(#f)"/>', side)


def morphology(radius: int) -> bytes:
    """Return a drawing with a filter that looks at `radius` squared pixels for each; found by the fuzzer."""
    step = f'<feMorphology operator="dilate" radius="{radius}"/>'
    return svg(
        f'<filter id="f" x="-1" y="-1" width="9" height="9">{step}</filter>'
        '<rect width="315" height="209" filter="url(#f)"/>',
        1518,
    )


def styled_filters() -> bytes:
    """Return a drawing whose filter is chosen by a style sheet, for any number of elements."""
    return svg(
        '<style>rect { filter: url(#f) }</style><filter id="f"><feGaussianBlur stdDeviation="9"/></filter>'
        + '<rect width="9" height="9"/>' * 1000
    )


def entities() -> bytes:
    """Return a drawing with entities that contain one another."""
    lines = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9))
    return f'<!DOCTYPE svg [<!ENTITY e0 "x">{lines}]>'.encode() + svg("<text>&e9;</text>")
