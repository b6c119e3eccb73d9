"""SVG: `use` repeats elements, also those that have `use` again, and filters, masks and layers work on all pixels."""

from __future__ import annotations

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from xml.parsers import expat

from lambda_resize.containers import bounds, svg_styles
from lambda_resize.errors import Corrupt, TooLarge

_GZIP = b"\x1f\x8b"
_MAX_BYTES = 5_000_000  # uncompressed
_REFERENCE = re.compile(r"#([^\"')\s]+)")
_PRIMITIVE = re.compile(r"fe[A-Z]")
_NUMBER = re.compile(r"\.?\d+")
# Those whose work for a pixel grows with their attributes: one of them may take a minute. `include` is XML's, of a
# document that is not checked.
_BOUNDLESS = frozenset(
    {"feConvolveMatrix", "feDiffuseLighting", "feMorphology", "feSpecularLighting", "feTurbulence", "include"}
)
_IDS = ("id", "xml:id")
_COLOURS = frozenset({"linearGradient", "radialGradient"})
_MAX_DEPTH = 20  # also where an element repeats itself


def checked(data: bytes, _max_frame_pixels: int) -> bytes:
    """Return the file.

    Raises:
        TooLarge: See `bounds`.
        Corrupt: It is no XML, or in an encoding that cannot be checked.
        Unsupported: See `svg_styles.picture`.
    """
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
    except zlib.error as error:
        raise Corrupt(f"svg: {error}") from error


@dataclass
class _Element:
    """One element and all inside it: its ids, what drawing it costs in elements, and what it refers to."""

    name: str
    ids: tuple[str, ...] = ()
    inside: int = 0
    cost: int = 0
    targets: list[str] = field(default_factory=list)


class _Outline:
    """Which element repeats which, and how many elements each has."""

    def __init__(self) -> None:
        self._open = [_Element("")]
        self._costs: Counter[str] = Counter()
        self._targets: dict[str, list[str]] = defaultdict(list)
        self._markers: list[str] = []
        self._kinds: dict[str, set[str]] = defaultdict(set)
        self._inside: Counter[str] = Counter()
        self._references = self._vertices = 0
        self._sheet: list[str] = []

    def read(self, text: bytes) -> None:
        """Read the file. Its renderer must not understand more of it than this does, so it is refused at an error."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._starts
        parser.EndElementHandler = self._ends
        parser.CharacterDataHandler = self._says
        parser.EntityDeclHandler = self._declares
        parser.ProcessingInstructionHandler = self._instructs
        try:
            parser.Parse(text, True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise Corrupt(f"svg: {error}") from error

    def drawn(self) -> int:
        """Return how many elements are drawn, those that are repeated counted each time."""
        whole = self._open[0]
        self._costs[""], self._targets[""] = whole.cost, whole.targets
        known: dict[str, int] = {}
        total = self._drawn("", known, 0)
        # A marker may be inherited by every path, and is drawn at each of its points.
        total += self._vertices * sum(self._drawn(each, known, 0) for each in self._markers)
        return total + whole.cost * self._styled(known)

    def _styled(self, known: dict[str, int]) -> int:
        """Return how many elements a style sheet may add to each: to those of a clipping path, which has any, too."""
        times = 1
        for target in svg_styles.checked_sheet("".join(self._sheet)):
            if self._kinds[target] <= _COLOURS:
                continue
            if self._kinds[target] != {"clipPath"}:
                raise TooLarge("SVG whose style sheet repeats elements")
            times *= self._inside[target] + sum(self._drawn(each, known, 0) for each in self._targets[target])
        return max(0, times - 1)

    def _drawn(self, name: str, known: dict[str, int], depth: int) -> int:
        if depth > _MAX_DEPTH:
            raise TooLarge("SVG elements that repeat one another too deeply")
        if name not in known:
            inside = (self._drawn(each, known, depth + 1) for each in self._targets[name])
            known[name] = self._costs[name] + sum(inside)
        return known[name]

    def _declares(self, *_: object) -> None:
        raise TooLarge("SVG with entities of its own")

    def _instructs(self, target: str, _data: str) -> None:
        if target == "xml-stylesheet":
            raise TooLarge("SVG with a style sheet elsewhere")

    def _says(self, text: str) -> None:
        if self._open[-1].name == "style":
            self._sheet.append(text)
        elif not text.isspace():
            self._adds(len(text))

    def _starts(self, name: str, given: Mapping[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name in _BOUNDLESS:
            raise TooLarge(f"SVG with {name}")
        element = _Element(name, tuple(given[key] for key in _IDS if key in given))
        self._open.append(element)
        bounds.check_parts("SVG levels", len(self._open))
        for own in element.ids:
            self._kinds[own].add(name)
        if name == "marker":
            self._markers += element.ids
        self._adds(bounds.FILTER_ELEMENTS if _PRIMITIVE.match(name) else 1)
        self._adds(svg_styles.layers(given))
        self._adds(sum(map(svg_styles.picture, given.values())))
        vertices = sum(len(_NUMBER.findall(given.get(each, ""))) // 2 for each in ("d", "points"))
        self._vertices += vertices + 1
        self._adds(vertices**2 // bounds.CROSSINGS_OF_AN_ELEMENT)
        found = chain.from_iterable(map(_REFERENCE.finditer, given.values()))
        element.targets += [each[1] for each in islice(found, bounds.MAX_PARTS["SVG references"] + 1)]
        self._references += len(element.targets)
        bounds.check_parts("SVG references", self._references)

    def _adds(self, cost: int) -> None:
        self._open[-1].cost += cost

    def _ends(self, _name: str) -> None:
        element, outer = self._open.pop(), self._open[-1]
        outer.cost += element.cost
        outer.inside += 1 + element.inside
        bounds.check_parts("SVG elements", outer.cost)
        outer.targets += element.targets
        for own in element.ids:
            self._costs[own] += element.cost
            self._inside[own] += element.inside
            self._targets[own] += element.targets
