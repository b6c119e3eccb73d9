"""SVG: `use` repeats elements, also those that have `use` again, and each filter works on all pixels."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from itertools import chain, islice
from xml.parsers import expat

from lambda_resize.containers import bounds
from lambda_resize.errors import TooLarge

_GZIP = b"\x1f\x8b"
_MAX_BYTES = 5_000_000  # uncompressed
_REFERENCE = re.compile(r"#([^\"')\s]+)")
_PRIMITIVE = re.compile(r"fe[A-Z]")
_PRIMITIVE_COUNTS = 2_000  # elements: a primitive works on all pixels
# Those whose work for a pixel grows with their attributes: one of them may take a minute.
_BOUNDLESS = frozenset({"feConvolveMatrix", "feDiffuseLighting", "feMorphology", "feSpecularLighting", "feTurbulence"})
_MAX_DEPTH = 20  # also where an element repeats itself


def checked(data: bytes, _max_frame_pixels: int) -> bytes:
    """Return the file. Raises `TooLarge`, see `bounds`."""
    text = _inflated(data)
    if len(text) > _MAX_BYTES:
        raise TooLarge(f"more than {_MAX_BYTES} bytes of SVG")
    outline = _Outline()
    outline.read(text)
    bounds.check_parts("SVG elements", outline.drawn())
    return data


def _inflated(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    try:
        return zlib.decompressobj(wbits=31).decompress(data, _MAX_BYTES + 1)
    except zlib.error:
        return b""


class _Outline:
    """Which element repeats which, and how many elements each has."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._elements = {"": 0}
        self._targets: dict[str, list[str]] = {"": []}
        self._references = 0
        self._style = False
        self._filters = self._styled = False

    def read(self, text: bytes) -> None:
        """Read the file as far as it is XML."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._starts
        parser.EndElementHandler = self._ends
        parser.CharacterDataHandler = self._says
        parser.EntityDeclHandler = self._declares
        try:
            parser.Parse(text, True)
        except expat.ExpatError:
            return

    def drawn(self) -> int:
        """Return how many elements are drawn, those that are repeated counted each time."""
        if self._filters and self._styled:
            raise TooLarge("SVG with filters in a style sheet")
        return self._drawn("", {}, 0)

    def _drawn(self, name: str, known: dict[str, int], depth: int) -> int:
        if depth > _MAX_DEPTH:
            raise TooLarge("SVG elements that repeat one another too deeply")
        if name not in known:
            inside = (self._drawn(each, known, depth + 1) for each in self._targets.get(name, ()))
            known[name] = self._elements.get(name, 0) + sum(inside)
        return known[name]

    def _declares(self, *_: object) -> None:
        raise TooLarge("SVG with entities of its own")

    def _says(self, text: str) -> None:
        self._styled |= self._style and "filter" in text

    def _starts(self, name: str, attributes: Mapping[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name in _BOUNDLESS:
            raise TooLarge(f"SVG with {name}")
        primitive = bool(_PRIMITIVE.match(name))
        self._filters |= primitive
        self._style = name == "style"
        own = attributes.get("id", "")
        self._elements.setdefault(own, 0)
        self._targets.setdefault(own, [])
        self._open.append(own)
        bounds.check_parts("SVG levels", len(self._open))
        found = chain.from_iterable(map(_REFERENCE.finditer, attributes.values()))
        targets = [each[1] for each in islice(found, bounds.MAX_PARTS["SVG references"] + 1)]
        self._references += len(targets)
        bounds.check_parts("SVG references", self._references)
        for inside in {"", *self._open}:
            self._elements[inside] += _PRIMITIVE_COUNTS if primitive else 1
            self._targets[inside] += targets
        bounds.check_parts("SVG elements", self._elements[""])

    def _ends(self, _name: str) -> None:
        self._open.pop()
        self._style = False
