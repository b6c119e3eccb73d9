"""Uploads that the image core refuses: other formats, damaged files, decompression bombs."""

from __future__ import annotations

import struct
import sys
import zlib
from typing import Any

import pytest
import pyvips
from PIL import Image

from lambda_resize import vips
from lambda_resize.errors import Corrupt, TooLarge, Unsupported
from lambda_resize.resize import resize
from lambda_resize.settings import Limits
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import encode, noise

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF"]
SMALL = Spec(width=50)

NOT_IMAGES = {
    "empty": b"",
    "text": b"Not an image at all, only some lines of text.\n" * 20,
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>',
    "pdf": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n",
    "csv": b"1,2,3\n4,5,6\n",
    "html": b"<!doctype html><title>502</title>",
    "zip": b"PK\x03\x04" + bytes(60),
}


@pytest.mark.parametrize("name", NOT_IMAGES)
@pytest.mark.fault("photo-damaged")
def test_what_is_no_photo_is_unsupported(name: str) -> None:
    with pytest.raises(Unsupported, match="not a JPEG"):
        resize(NOT_IMAGES[name], SMALL)


@pytest.mark.parametrize("file_format", ["PPM", "TGA", "PCX", "DDS"])
def test_other_formats_are_unsupported(file_format: str) -> None:
    with pytest.raises(Unsupported):
        resize(encode(Image.new("RGB", (64, 64)), file_format), SMALL)


def test_heic_without_a_decoder_is_unsupported_and_not_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its header is readable, its pixels are not; the photo itself is intact."""
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(Unsupported, match="HEVC"):
        resize(_heic(), SMALL)


def test_heic_without_pixels_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="heic"):
        resize(_heic(), SMALL)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("part", [0.3, 0.9])
@pytest.mark.fault("photo-damaged")
def test_a_truncated_file_is_corrupt(file_format: str, part: float) -> None:
    whole = encode(noise(), file_format)
    with pytest.raises(Corrupt):
        resize(whole[: int(len(whole) * part)], SMALL)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_truncated_after_its_first_bytes_is_corrupt(file_format: str) -> None:
    with pytest.raises(Corrupt):
        resize(encode(noise(), file_format)[:40], SMALL)


@pytest.mark.parametrize(
    "options",
    [{"progressive": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"}],
)
def test_each_kind_of_truncated_jpeg_is_corrupt(options: dict[str, Any]) -> None:
    """Progressive and rotated ones are decoded before saving."""
    whole = encode(noise(), "JPEG", **options)
    with pytest.raises(Corrupt):
        resize(whole[:-1000], SMALL)


@pytest.mark.parametrize(
    "message",
    ["tiff2vips: LZMA compression support is not configured", "tiled separate planes not supported", "bad labq format"],
)
def test_an_intact_file_of_a_rare_kind_is_unsupported(message: str) -> None:
    assert isinstance(vips.failure(pyvips.Error("unable to call", message)), Unsupported)
    assert isinstance(vips.failure(pyvips.Error("unable to call", "premature end of JPEG image")), Corrupt)


def test_a_tiff_in_lab_is_unsupported() -> None:
    """Some editors write it; libvips fails at its header."""
    with pytest.raises(Unsupported):
        resize(encode(Image.new("LAB", (40, 40)), "TIFF"), SMALL)


@pytest.mark.parametrize("position", ["attention", "entropy"])
def test_a_cut_chosen_by_content_notices_damage(position: str) -> None:
    with pytest.raises(Corrupt):
        resize(encode(noise(), "PNG")[:9000], Spec(width=30, height=30, position=position))


@pytest.mark.parametrize("file_format", ["PNG", "AVIF"])
@pytest.mark.fault("photo-damaged")
def test_damaged_data_is_corrupt(file_format: str) -> None:
    """Where the format has checksums, or the decoder loses synchronisation."""
    damaged = bytearray(encode(noise(), file_format))
    middle = len(damaged) // 2
    damaged[middle : middle + 400] = bytes(400)
    with pytest.raises(Corrupt):
        resize(bytes(damaged), SMALL)


def test_a_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(TooLarge, match="30000x30000"):
        resize(_png_header(30_000, 30_000), SMALL)


@pytest.mark.parametrize("size", [(65_536, 1), (1, 65_536), (2_097_216, 48)])
def test_a_ribbon_is_refused_by_its_header(size: tuple[int, int]) -> None:
    """It has few pixels, but rows that fill the memory."""
    with pytest.raises(TooLarge, match="the limit of a side is 65535"):
        resize(_png_header(*size), SMALL)


def test_the_pixel_limit_is_inclusive() -> None:
    limits = Limits(max_source_pixels=5000)
    assert resize(encode(Image.new("L", (100, 50)), "PNG"), SMALL, limits).width == 50
    with pytest.raises(TooLarge, match="100x51"):
        resize(encode(Image.new("L", (100, 51)), "PNG"), SMALL, limits)


def test_the_byte_limit_is_inclusive() -> None:
    data = encode(Image.new("L", (100, 50)), "PNG")
    assert resize(data, SMALL, Limits(max_source_bytes=len(data))).width == 50
    with pytest.raises(TooLarge, match="bytes, the limit is"):
        resize(data, SMALL, Limits(max_source_bytes=len(data) - 1))


def test_enlarging_is_limited_as_well() -> None:
    with pytest.raises(TooLarge, match="scaled"):
        resize(encode(Image.new("L", (1, 10_000)), "PNG"), Spec(width=10_000, enlarge=True))


@pytest.mark.parametrize(("target", "side"), [("webp", 16_384), ("avif", 16_385), ("jpeg", 65_501)])
def test_what_the_output_format_cannot_hold_is_too_large(target: str, side: int) -> None:
    with pytest.raises(TooLarge, match=f"{target} holds at most {side - 1}"):
        resize(encode(Image.new("L", (1, side)), "PNG"), Spec(width=1, format=target))


def _png_header(width: int, height: int) -> bytes:
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + ihdr
        + struct.pack(">I", zlib.crc32(ihdr))
        + struct.pack(">I", 0)
        + b"IDAT"
    )


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", 8 + len(payload)) + kind + payload


def _full_box(kind: bytes, payload: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]) + payload)


def _heic() -> bytes:
    """Return the smallest HEIC file with a complete header: one HEVC item of 64x48 pixels, its data all zeros."""
    hevc = bytes([1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 90, 0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0, 0x0F, 0])
    properties = _box(b"ipco", _box(b"hvcC", hevc) + _full_box(b"ispe", struct.pack(">II", 64, 48)))
    properties += _full_box(b"ipma", struct.pack(">IHB", 1, 1, 2) + b"\x81\x02")
    fixed = _full_box(b"hdlr", bytes(4) + b"pict" + bytes(13)) + _full_box(b"pitm", struct.pack(">H", 1))
    fixed += _full_box(b"iinf", struct.pack(">H", 1) + _full_box(b"infe", b"\0\1\0\0hvc1\0", version=2))
    fixed += _box(b"iprp", properties)
    start = _box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    location_size, meta_header, data_header = 30, 12, 8
    offset = len(start) + meta_header + len(fixed) + location_size + data_header
    location = _full_box(b"iloc", struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, offset, 16))
    assert len(location) == location_size
    return start + _full_box(b"meta", fixed + location) + _box(b"mdat", bytes(16))
