"""What previews say besides their pixels: the photo's rights, where the preset keeps them, and nothing else."""

from __future__ import annotations

import pyvips

from lambda_resize.containers import credit
from lambda_resize.containers.credit import Credits

_EXIF, _IPTC, _XMP = "exif-data", "iptc-data", "xmp-data"
_REMOVED = frozenset({_EXIF, _IPTC, _XMP, "jpeg-thumbnail-data", "photoshop-data"})

_PACKET = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
    ' xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/">{}'
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
_FORMS = {
    "creator": "<dc:creator><rdf:Seq><rdf:li>{}</rdf:li></rdf:Seq></dc:creator>",
    "notice": '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:rights>',
    "credit": "<photoshop:Credit>{}</photoshop:Credit>",
    "terms": '<xmpRights:UsageTerms><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></xmpRights:UsageTerms>',
    "statement": "<xmpRights:WebStatement>{}</xmpRights:WebStatement>",
    "licensor": '<plus:Licensor><rdf:Seq><rdf:li rdf:parseType="Resource"><plus:LicensorURL>{}</plus:LicensorURL>'
    "</rdf:li></rdf:Seq></plus:Licensor>",
}


def credits_of(image: pyvips.Image) -> Credits:
    """Return the rights that a photo's header names: XMP's, else IPTC's, else EXIF's."""
    found = credit.of_xmp(_blob(image, _XMP)).filled(credit.of_iptc(_blob(image, _IPTC)))
    return found.filled(credit.of_exif(_blob(image, _EXIF)))


def described(image: pyvips.Image, kept: Credits) -> pyvips.Image:
    """Return an image that says this of its rights, and nothing else but its colours."""
    image = image.copy()
    for name in image.get_fields():
        if name.startswith("exif-") or name in _REMOVED:
            image.remove(name)
    texts = [_FORMS[name].format(_escaped(text)) for name in _FORMS if (text := getattr(kept, name))]
    # In ASCII: libvips has PNG hold it as text of Latin-1, which some readers believe.
    packet = _PACKET.format("".join(texts)).encode("ascii", "xmlcharrefreplace")
    image.set_type(pyvips.GValue.blob_type, _XMP, packet)
    for name, text in (("Artist", kept.creator), ("Copyright", kept.notice)):
        if text:
            # libvips reads up to the last bracket.
            image.set_type(pyvips.GValue.gstr_type, f"exif-ifd0-{name}", f"{text} ({text}, ASCII)")
    return image


def _escaped(text: str) -> str:
    """Do what `xml.sax.saxutils` does, which would load `urllib` for it: 10 ms of each cold start."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _blob(image: pyvips.Image, name: str) -> bytes:
    return bytes(image.get(name)) if image.get_typeof(name) else b""
