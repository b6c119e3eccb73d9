"""Credits: previews keep them of a photo's metadata, and nothing else; read back by Pillow and exiftool."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
import zlib
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from lambda_resize.containers import credit, png
from lambda_resize.containers.credit import Credits
from lambda_resize.containers.jxl import codestream
from lambda_resize.resize import resize
from prewmanager_presets import Spec
from tests.lambda_resize.hostile.heifs import box
from tests.lambda_resize.pictures import encode, noise
from tests.lambda_resize.test_jxl import FILES as JXLS
from tests.lambda_resize.test_jxl import boxed
from tests.lambda_resize.test_rarer_formats import photo
from tests.lambda_resize.wide_gamut import DISPLAY_P3

FORMATS = ("jpeg", "png", "webp", "avif")
SPEC = Spec(width=64, metadata="copyright")
ALL = Credits(
    "Jänis Papanagnou & Co",
    "© 2026 J. P.",
    "J. P. / Agency",
    "Ask <first>",
    "https://a.example/r?x=1&y=2",
    "https://l.example/",
)
SECRETS = ("secret", "GPS", "Camera", "serial")
XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:r="http://ns.adobe.com/xap/1.0/rights/" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="1,2N"
 photoshop:Credit="J. P. / Agency" photoshop:City="secret"
 r:WebStatement="https://a.example/r?x=1&amp;y=2">
<dc:creator><rdf:Seq><rdf:li>J\xc3\xa4nis Papanagnou &amp; Co</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">\xc2\xa9 2026 J. P.</rdf:li></rdf:Alt></dc:rights>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">secret</rdf:li></rdf:Alt></dc:description>
<r:UsageTerms><rdf:Alt><rdf:li xml:lang="x-default">Ask &lt;first&gt;</rdf:li></rdf:Alt></r:UsageTerms>
<plus:Licensor><rdf:Seq><rdf:li rdf:parseType="Resource"><plus:LicensorURL>https://l.example/</plus:LicensorURL>
<plus:LicensorEmail>secret@l.example</plus:LicensorEmail></rdf:li></rdf:Seq></plus:Licensor>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def exif(artist: str = "A. Nother", notice: str = "(c) EXIF") -> Image.Exif:
    """Return EXIF data with rights and much else."""
    made = Image.Exif()
    made[0x013B], made[0x8298], made[0x0110], made[0xA431] = artist, notice, "Camera secret", "serial"
    made.get_ifd(0x8825)[1] = "N"
    made.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    return made


def iptc(*datasets: tuple[int, bytes]) -> bytes:
    """Return a program's block with IPTC's datasets, as JPEG has it."""
    content = b"\x1c\x01\x5a\0\3\x1b%G" + b"".join(
        b"\x1c\2" + bytes([kind]) + struct.pack(">H", len(text)) + text for kind, text in datasets
    )
    return b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(content)) + content + bytes(len(content) % 2)


def with_iptc(jpeg: bytes, block: bytes) -> bytes:
    """Return a JPEG with such a block."""
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def tags_of(data: bytes) -> dict[str, Any]:
    """Return all tags that exiftool finds, by group and name; of Pillow what it finds, where exiftool is missing."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    found = subprocess.run(
        ["exiftool", "-j", "-G1", "-charset", "utf8", "-"], input=data, capture_output=True, check=True
    )
    tags: dict[str, Any] = json.loads(found.stdout)[0]
    return tags


def read(data: bytes) -> Credits:
    """Return the rights in a preview, as Pillow finds its XMP."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return credit.of_xmp(image.info.get("xmp", b"") or image.info.get("XML:com.adobe.xmp", "").encode())


SOURCES = {
    "JPEG": encode(noise(), "JPEG", xmp=XMP, exif=exif()),
    "WebP": encode(noise(), "WEBP", xmp=XMP, exif=exif()),
    "AVIF": encode(noise(), "AVIF", xmp=XMP, exif=exif()),
    "TIFF": encode(noise(), "TIFF", tiffinfo={700: XMP}),
    "JPEG XL": boxed(codestream(JXLS["RGB"]), box(b"xml ", XMP)),
}


@pytest.mark.parametrize("name", SOURCES)
def test_credits_are_kept_from_any_format(name: str) -> None:
    assert read(resize(SOURCES[name], SPEC).data) == ALL


@pytest.mark.parametrize("target", FORMATS)
def test_credits_are_kept_in_any_format_and_nothing_else_is(target: str) -> None:
    data = resize(SOURCES["JPEG"], Spec(width=64, metadata="copyright", format=target)).data
    assert read(data) == ALL
    with Image.open(io.BytesIO(data)) as image:
        found = dict(image.getexif())
        assert image.getexif().get_ifd(0x8825) == {}
    assert "2026 J. P." in found[0x8298]
    assert "Papanagnou" in found[0x013B]
    assert not any(word.encode() in data for word in SECRETS)


@pytest.mark.parametrize("target", FORMATS)
def test_exiftool_reads_them(target: str) -> None:
    tags = tags_of(resize(SOURCES["JPEG"], Spec(width=64, metadata="copyright", format=target)).data)
    wanted = {
        "XMP-dc:Creator": ALL.creator,
        "XMP-dc:Rights": ALL.notice,
        "XMP-photoshop:Credit": ALL.credit,
        "XMP-xmpRights:UsageTerms": ALL.terms,
        "XMP-xmpRights:WebStatement": ALL.statement,
        "XMP-plus:LicensorURL": ALL.licensor,
        "IFD0:Copyright": "(C) 2026 J. P.",  # which EXIF has in ASCII
        "IFD0:Artist": "Janis Papanagnou & Co",
    }
    assert {name: tags.get(name) for name in wanted} == wanted
    assert not any("GPS" in name or "secret" in str(text) for name, text in tags.items())


@pytest.mark.parametrize("target", FORMATS)
def test_by_default_nothing_is_kept(target: str) -> None:
    plain = resize(encode(noise(), "JPEG"), Spec(width=64, format=target)).data
    assert resize(SOURCES["JPEG"], Spec(width=64, format=target)).data == plain


def test_a_photo_without_credits_has_the_same_bytes() -> None:
    unnamed = Image.Exif()
    unnamed[0x0110] = "Camera secret"
    plain = resize(encode(noise(), "JPEG"), Spec(width=64)).data
    assert resize(encode(noise(), "JPEG", exif=unnamed), SPEC).data == plain


def test_what_xmp_does_not_say_comes_from_iptc_then_from_exif() -> None:
    block = iptc((80, "Ä. Byline".encode()), (110, b"Credit"), (105, b"secret"))
    both = with_iptc(encode(noise(), "JPEG", exif=exif()), block)
    assert read(resize(both, SPEC).data) == Credits("Ä. Byline", "(c) EXIF", "Credit")
    assert read(resize(encode(noise(), "JPEG", exif=exif()), SPEC).data) == Credits("A. Nother", "(c) EXIF")


def described_png() -> bytes:
    """Return a PNG with XMP before its pixels."""
    plain = encode(photo(), "PNG")
    chunk = b"iTXt" + b"XML:com.adobe.xmp\0\0\0\0\0" + XMP
    return plain[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + plain[33:]


def test_a_png_s_description_is_kept() -> None:
    assert read(resize(described_png(), SPEC).data) == ALL


def test_what_is_kept_of_a_png_does_not_depend_on_how_it_arrives() -> None:
    data = described_png()
    walk = png.Walk(1)
    steps = [*range(1, len(data), 13), len(data)]
    ranges = [each for end in steps for each in walk.advance(data, end, is_whole=end == len(data))]
    assert b"".join(data[start:end] for start, end in ranges) == png.checked(data, 1) == data


def test_heic_keeps_them() -> None:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(photo()).save(buffer, quality=90, xmp=XMP, exif=exif().tobytes())
    assert read(resize(buffer.getvalue(), SPEC).data) == ALL


def test_with_wide_colours_both_are_kept() -> None:
    data = encode(noise(), "JPEG", xmp=XMP, icc_profile=DISPLAY_P3.profile())
    preview = resize(data, Spec(width=64, metadata="copyright", colours="wide")).data
    assert read(preview) == ALL
    with Image.open(io.BytesIO(preview)) as image:
        assert len(image.info["icc_profile"]) == 480


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<x",
        b"\xff\xfe",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
        bytes(1_000_001),
        b"<?xml encoding='nonsense'?><x/>",
    ],
)
@pytest.mark.fault("photo-damaged")
def test_a_description_that_cannot_be_read_says_nothing(data: bytes) -> None:
    assert credit.of_xmp(data) == Credits()
    assert credit.of_exif(data) == credit.of_iptc(data) == Credits()


def test_any_bytes_are_read_or_say_nothing() -> None:
    draws = np.random.default_rng(3)
    whole = exif().tobytes()
    block = iptc((80, b"Name"), (116, b"Notice"))
    for _ in range(300):
        for read_it, data in ((credit.of_exif, whole), (credit.of_iptc, block), (credit.of_xmp, XMP)):
            changed = bytearray(data[: int(draws.integers(1, len(data)))])
            changed[int(draws.integers(len(changed)))] = int(draws.integers(256))
            assert isinstance(read_it(bytes(changed)), Credits)


def test_texts_are_on_one_line_and_not_too_long() -> None:
    long = credit.of_exif(exif(artist="a\n\x07b " + "x" * 5_000).tobytes())
    assert long.creator.startswith("a b x")
    assert len(long.creator) == 1_000
