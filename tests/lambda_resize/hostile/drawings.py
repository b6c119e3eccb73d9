"""Hostile SVG."""

from __future__ import annotations

import base64

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


def blurred(attribute: str) -> str:
    """Return a square whose `attribute`, a template, has ten filters."""
    return f"<rect width='400' height='400' {attribute.format('blur(50px) ' * 10)}/>"


def masked(levels: int, times: int) -> bytes:
    """Return a drawing whose groups repeat one another, each with a mask; found by the fuzzer."""
    groups = "".join(
        f"<g id='e{level}' mask='url(#e{level}m)'>" + f"<use xlink:href='#e{level - 1}'/>" * times + "</g>"
        f"<mask id='e{level}m'><rect width='9' height='9'/></mask>"
        for level in range(1, levels)
    )
    return svg(f"<defs><rect id='e0' width='99' height='10'/>{groups}</defs><use xlink:href='#e{levels - 1}'/>", 3889)


def styled(attribute: str, name: str, levels: int) -> bytes:
    """Return a drawing whose elements called `name` have one another, ten times each, by a style sheet."""
    rules = "".join(f".a{level}{{{attribute}:url(#p{level})}}" for level in range(levels))
    square = "<rect class='a{}' width='99' height='99'/>"
    parts = "".join(
        f"<{name} id='p{level}' width='1' height='1'>{square.format(level - 1) * 10}</{name}>"
        for level in range(levels)
    )
    return svg(f"<style>{rules}</style>{parts}{square.format(levels - 1)}")


def markers(points: int, size: int) -> bytes:
    """Return a path with a marker of `size` elements at each of its points."""
    marker = "<marker id='m' markerWidth='9' markerHeight='9'>" + "<rect width='9' height='9'/>" * size + "</marker>"
    return svg(f"{marker}<g marker-mid='url(#m)'><path d='M0 0{'L1 1' * points}'/></g>")


def with_picture(kind: str, content: bytes) -> bytes:
    """Return a drawing with a picture inside."""
    text = base64.b64encode(content).decode()
    return svg(f"<image width='400' height='400' xlink:href='data:image/{kind};base64,{text}'/>")


def in_encoding(name: str) -> bytes:
    """Return a drawing that says that it is in an encoding of several bytes."""
    return f'<?xml version="1.0" encoding="{name}"?>'.encode() + nested_use(6)
