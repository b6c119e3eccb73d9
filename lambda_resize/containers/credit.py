"""Who made a photo and how it may be used, as its EXIF, IPTC and XMP say; nothing else of them is read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields
from xml.parsers import expat

from lambda_resize.containers import tiff

_ARTIST, _COPYRIGHT = 315, 33432  # of EXIF's first directory
_BY_LINE, _CREDIT, _NOTICE = 80, 110, 116  # datasets of IPTC's second record
_RECORD = b"\x1c\x02"
_MAX_BYTES = 1_000_000  # of a description; further ones would be parsed for too long
_MAX_NAMESPACE = 1_000  # characters, which expat repeats in each element's name
_MAX_TEXT = 1_000  # characters of a field
_DC, _TERMS = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/xap/1.0/rights/"
_PHOTOSHOP, _PLUS = "http://ns.adobe.com/photoshop/1.0/", "http://ns.useplus.org/ldf/xmp/1.0/"
_NAMES = {
    f"{_DC} creator": "creator",
    f"{_DC} rights": "notice",
    f"{_PHOTOSHOP} Credit": "credit",
    f"{_TERMS} UsageTerms": "terms",
    f"{_TERMS} WebStatement": "statement",
    f"{_PLUS} LicensorURL": "licensor",
}


@dataclass(frozen=True)
class Credits:
    """What is kept; each is empty where nothing says it.

    Attributes:
        creator: Who made it; several are joined by a semicolon.
        notice: The copyright's notice.
        credit: The line that is to be printed beside it.
        terms: How it may be used.
        statement: The address of a page about that.
        licensor: The address where it can be licensed.
    """

    creator: str = ""
    notice: str = ""
    credit: str = ""
    terms: str = ""
    statement: str = ""
    licensor: str = ""

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))

    def filled(self, other: Credits) -> Credits:
        """Return these, with those of another where they are empty."""
        return Credits(*(getattr(self, each.name) or getattr(other, each.name) for each in fields(self)))


def of_exif(data: bytes) -> Credits:
    """Return what EXIF says, with or without its own header."""
    data = data.removeprefix(b"Exif\0\0")
    if not data.startswith((b"II*\0", b"MM\0*")):
        return Credits()
    layout = tiff.layout_of(data)
    found: dict[int, str] = {}
    for entries in tiff.directories(layout, data):
        for entry in entries:
            tag, count = layout.number(data, entry, 2), layout.number(data, entry + 4, 4)
            if tag in {_ARTIST, _COPYRIGHT} - found.keys():  # thousands may share one long text
                at = entry + 8 if count <= 4 else layout.number(data, entry + 8, 4)  # noqa: PLR2004 -- in place
                # A photographer's notice and an editor's are separated by a zero.
                found[tag] = _text(data[at : at + min(count, _MAX_BYTES)].rstrip(b"\0").replace(b"\0", b"; "))
        break
    return Credits(creator=found.get(_ARTIST, ""), notice=found.get(_COPYRIGHT, ""))


def of_iptc(data: bytes) -> Credits:
    """Return what IPTC's datasets say (IIM 4.2), wherever in the block of a program they begin."""
    found: dict[int, list[str]] = defaultdict(list)
    at = data.find(_RECORD)
    data = data[: max(at, 0) + _MAX_BYTES]
    while at >= 0 and data[at : at + 1] == _RECORD[:1]:
        record, kind, size = data[at + 1 : at + 2], data[at + 2 : at + 3], int.from_bytes(data[at + 3 : at + 5])
        if record == _RECORD[1:] and kind:
            found[kind[0]].append(_text(data[at + 5 : at + 5 + size]))
        at += 5 + size
    creator, credit, notice = ("; ".join(found[kind]) for kind in (_BY_LINE, _CREDIT, _NOTICE))
    return Credits(creator=creator, notice=notice, credit=credit)


def of_xmp(data: bytes) -> Credits:
    """Return what XMP says; nothing where it is no XML, or has a document type: entities, defaults."""
    if len(data) > _MAX_BYTES:
        return Credits()
    reader = _Reader()
    try:
        reader.read(data.rstrip(b"\0"))
    except (expat.ExpatError, ValueError, LookupError):
        return Credits()
    joined = {name: "; ".join(dict.fromkeys(texts)) for name, texts in reader.found.items()}
    return Credits(**{name: _tidy(text) for name, text in joined.items()})


class _Reader:
    """Collects the texts of the elements and attributes in `_NAMES`."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = defaultdict(list)
        self._open: list[str | None] = []
        self._text = ""

    def read(self, data: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._starts
        parser.EndElementHandler = self._ends
        parser.CharacterDataHandler = self._says
        parser.StartDoctypeDeclHandler = self._declares
        parser.StartNamespaceDeclHandler = self._names
        parser.Parse(data, True)

    def _declares(self, *_: object) -> None:
        raise ValueError("a document type")

    def _names(self, _prefix: str | None, namespace: str | None) -> None:
        if namespace and len(namespace) > _MAX_NAMESPACE:
            raise ValueError("a namespace that is too long")

    def _starts(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append(_NAMES.get(name) or (self._open[-1] if self._open else None))
        self._text = ""
        for attribute, text in attributes.items():
            if attribute in _NAMES:
                self.found[_NAMES[attribute]].append(text.strip())

    def _says(self, text: str) -> None:
        if len(self._text) < _MAX_TEXT:  # each line comes by itself
            self._text += text[:_MAX_TEXT]

    def _ends(self, _name: str) -> None:
        field = self._open.pop()
        if field and self._text.strip():
            self.found[field].append(self._text.strip())
        self._text = ""


def _text(data: bytes) -> str:
    try:
        return _tidy(data.decode())
    except UnicodeDecodeError:
        return _tidy(data.decode("latin-1"))


def _tidy(text: str) -> str:
    """Return a text on one line, without what no XML may hold, and not too long."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:_MAX_TEXT]
