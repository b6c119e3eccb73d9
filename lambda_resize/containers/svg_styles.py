"""SVG's style sheets, layers and inner pictures: what they cost, counted in elements."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from lambda_resize.containers import bounds, jpeg
from lambda_resize.errors import TooLarge, Unsupported

_COMMENT = re.compile(r"/\*(?:.*?\*/|.*)", re.DOTALL)  # without an end it is all the rest
_TARGET = re.compile(r"url\(\s*[\"']?#([^\"')\s]+)", re.IGNORECASE)
# Each of these draws its element aside, as large as the picture.
_FUNCTION = re.compile(r"(?<!url)\(")
_FILTER = re.compile(r"(?<![-\w])filter\s*:([^;]*)")
_MASK = re.compile(r"(?<![-\w])mask\s*:")
_LAYER = re.compile(r"(?<![-\w])(?:opacity|clip-path|mix-blend-mode|isolation)\s*:")
# In a style sheet these may apply to any number of elements, and an escape may spell them.
_UNCOUNTED = re.compile(r"\\|@import|(?<![-\w])(?:filter|mask)(?![-\w])")
_PNG = b"\x89PNG\r\n\x1a\n"
_GIF = (b"GIF87a", b"GIF89a")


def checked_sheet(text: str) -> set[str]:
    """Return the ids that a style sheet refers to. Raises `TooLarge` if it may filter or mask any element."""
    plain = _COMMENT.sub(" ", text)
    if found := _UNCOUNTED.search(plain.lower()):
        raise TooLarge(f"SVG with {found[0]} in a style sheet")
    return set(_TARGET.findall(plain))


def layers(attributes: Mapping[str, str]) -> int:
    """Return what an element's filters, masks and opacity cost."""
    style = _COMMENT.sub(" ", attributes.get("style", "")).lower()
    if "\\" in style:
        raise TooLarge("SVG with an escape in a style")
    style = ";".join([style, *(f"{name}:{value.lower()}" for name, value in attributes.items() if name != "style")])
    functions = sum(len(_FUNCTION.findall(each)) for each in _FILTER.findall(style))
    cost = functions * bounds.FILTER_ELEMENTS + len(_MASK.findall(style)) * bounds.MASK_ELEMENTS
    return cost + len(_LAYER.findall(style)) * bounds.LAYER_ELEMENTS


def picture(address: str) -> int:
    """Return what a picture inside the drawing costs, if the address is one; others are never opened.

    Raises:
        Unsupported: It is another drawing, or of a format whose size is not known here.
    """
    head, _, content = address.strip().partition(",")
    if not head.lower().startswith("data:"):
        return 0
    try:
        data = base64.b64decode(unquote_to_bytes(content))
    except binascii.Error:
        data = b""
    return _pixels(data) // bounds.PIXELS_OF_AN_ELEMENT


def _pixels(data: bytes) -> int:
    if data.startswith(_PNG):
        return int.from_bytes(data[16:20]) * int.from_bytes(data[20:24])
    if data.startswith(_GIF):
        return int.from_bytes(data[6:8], "little") * int.from_bytes(data[8:10], "little")
    if data.startswith(b"\xff\xd8"):
        return jpeg.work(data)
    raise Unsupported("SVG with a picture inside that is neither PNG, JPEG nor GIF")
