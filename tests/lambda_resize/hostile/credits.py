"""Photos whose descriptions take long to read for the credits in them."""

from __future__ import annotations

import struct

from tests.lambda_resize.hostile import rasters

_CREATOR = b'<x xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>%s</dc:creator></x>'
_PLUS = b"http://ns.useplus.org/ldf/xmp/1.0/"


def exif_of_one_text(entries: int, size: int) -> bytes:
    """Return a WebP with an EXIF directory of many artists, who all have the same text."""
    entry = struct.pack("<HHII", 315, 2, size, 14 + 12 * entries)
    head = b"II*\0" + struct.pack("<IH", 8, entries)
    return rasters.saved("WEBP", exif=b"Exif\0\0" + head + entry * entries + bytes(4) + b"a" * size)


def xmp_of_lines(count: int) -> bytes:
    """Return a WebP whose creator has many empty lines."""
    return rasters.saved("WEBP", xmp=_CREATOR % (b"\n" * count))


def xmp_of_a_long_namespace(size: int, elements: int) -> bytes:
    """Return a WebP with many elements, in whose name a namespace of this length is repeated."""
    return rasters.saved("WEBP", xmp=b'<x xmlns:a="%s">%s</x>' % (b"u" * size, b"<a:b/>" * elements))


def xmp_of_a_default(size: int, elements: int) -> bytes:
    """Return a WebP with many elements that all have an attribute of this length, which is written once."""
    kind = b'<!DOCTYPE x [<!ATTLIST a p:LicensorURL CDATA "%s">]>' % (b"u" * size)
    return rasters.saved("WEBP", xmp=kind + b'<x xmlns:p="%s">%s</x>' % (_PLUS, b"<a/>" * elements))


def iptc_of_empty_datasets(count: int) -> bytes:
    """Return a TIFF with many empty datasets of IPTC's second record."""
    return rasters.saved("TIFF", tiffinfo={33723: b"\x1c\2\x50\0\0" * count})
