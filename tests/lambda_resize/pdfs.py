"""PDFs of one page, written by hand."""

from __future__ import annotations

import zlib
from collections.abc import Sequence


def pdf(content: bytes, box: str = "0 0 595 842", more: str = "") -> bytes:
    """Return a file whose page has these operators, this box in points, and these further entries."""
    return document(content, box, more, [])


def document(content: bytes, box: str, more: str, further: Sequence[bytes]) -> bytes:
    """Do the same with further objects, of which the first has the number 5."""
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[{box}]/Contents 4 0 R{more}>>".encode()
    kids = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", kids, page, stream(content), *further]
    data, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj%bendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(data))
    return data + head + table + tail


def stream(content: bytes, more: str = "") -> bytes:
    """Return an object that is a stream, with these further entries."""
    return f"<</Length {len(content)}{more}>>stream\n".encode() + content + b"\nendstream"


def forms(levels: int, times: int) -> bytes:
    """Return a page that draws a form so many times, which draws another so many times, and so on."""
    box = "0 0 500 500"
    inner = [stream(b"0 0 500 500 re f ", f"/Type/XObject/Subtype/Form/BBox[{box}]")]
    for level in range(levels):
        uses = f"/Resources<</XObject<</X {5 + level} 0 R>>>>"
        inner.append(stream(b"/X Do " * times, f"/Type/XObject/Subtype/Form/BBox[{box}]{uses}"))
    return document(b"/X Do " * times, box, f"/Resources<</XObject<</X {5 + levels} 0 R>>>>", inner)


def picture(side: int) -> bytes:
    """Return a page that draws a black picture of so many pixels a side."""
    kind = f"/Type/XObject/Subtype/Image/Width {side}/Height {side}/ColorSpace/DeviceGray/BitsPerComponent 8"
    inner = stream(zlib.compress(bytes(side * side), 9), f"{kind}/Filter/FlateDecode")
    return document(b"500 0 0 500 0 0 cm /X Do", "0 0 500 500", "/Resources<</XObject<</X 5 0 R>>>>", [inner])
