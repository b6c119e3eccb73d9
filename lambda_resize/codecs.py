"""libvips as this function uses it: process-wide settings, the formats that are let in, and those that come out.

Importing this module sets libvips up for the whole process; no other module does. No image is touched here, so a
process may fork afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pyvips

from lambda_resize.errors import Corrupt, TooLarge, Unsupported

# Blocked as a class and let in one by one: what is not an image format of photos (SVG, PDF, CSV, raw memory, …) can
# then not be opened at all, whatever the bytes claim to be. UltraHDR stays out too: such files are JPEGs as well.
LOADERS: Mapping[str, str] = {
    "VipsForeignLoadJpeg": "jpeg",
    "VipsForeignLoadPng": "png",
    "VipsForeignLoadWebp": "webp",
    "VipsForeignLoadNsgif": "gif",
    "VipsForeignLoadTiff": "tiff",
    "VipsForeignLoadHeif": "heif",
}
TIFF_MAGIC = (b"II*\0", b"MM\0*")

pyvips.operation_block_set("VipsForeignLoad", True)
for _loader in LOADERS:
    pyvips.operation_block_set(_loader, False)
pyvips.cache_set_max(0)  # no two calls see the same bytes, so a cache of operations would only keep memory


@dataclass(frozen=True)
class Encoder:
    """One output format.

    Attributes:
        content_type: Its media type.
        saver: libvips' operation.
        quality: Default quality, that of sharp; None where the format has none.
        max_side: Largest width and height that the format or its encoder can hold, in pixels.
        alpha: Whether it has transparency.
        options: Further options of the saver.
    """

    content_type: str
    saver: str
    quality: int | None
    max_side: int
    alpha: bool
    options: Mapping[str, Any] = field(default_factory=dict)


ENCODERS: Mapping[str, Encoder] = {
    "jpeg": Encoder(
        "image/jpeg",
        "jpegsave_buffer",
        quality=80,
        max_side=65_500,
        alpha=False,
        # As sharp: baseline, Huffman tables made for the image (1 % smaller, 4 ms), colour at half resolution.
        options={"optimize_coding": True, "interlace": False, "subsample_mode": "on"},
    ),
    "png": Encoder(
        "image/png",
        "pngsave_buffer",
        quality=None,
        max_side=2**31 - 1,
        alpha=True,
        # Row filters make a photo of 720x588 650 KB instead of 1 MB, for 30 ms more.
        options={"compression": 6, "filter": "all"},
    ),
    "webp": Encoder("image/webp", "webpsave_buffer", quality=80, max_side=16_383, alpha=True, options={"effort": 4}),
    "avif": Encoder(
        "image/avif",
        "heifsave_buffer",
        quality=50,
        max_side=16_384,
        alpha=True,
        # Somebody waits for it. 720x588 on one core: effort 0 50 ms, 29.0 KB; 1 170 ms, 27.6 KB; 2 360 ms, 27.2 KB;
        # 4, sharp's default, 2.8 s, 25.3 KB.
        options={"compression": "av1", "effort": 1},
    ),
}


def source_format(data: bytes) -> str:
    """The format of an image by its first bytes: one of the values of `LOADERS`.

    Raises:
        Unsupported: It is none of those that are let in.
        Corrupt: It is a TIFF that ends before its directory, which may stand last.
    """
    found = pyvips.vips_lib.vips_foreign_find_load_buffer(data, len(data))
    if found == pyvips.ffi.NULL and data.startswith(TIFF_MAGIC):
        raise Corrupt("header of tiff: its directory is missing")
    if found == pyvips.ffi.NULL:
        raise Unsupported("not a JPEG, PNG, WebP, GIF, TIFF or AVIF image")
    loader = cast("bytes", pyvips.ffi.string(found)).decode().removesuffix("Buffer")
    return LOADERS[loader]


def open_image(data: bytes, source: str, **options: Any) -> pyvips.Image:
    """Read an image's header; pixels are decoded when the result is saved, and errors in them appear only then.

    A file that ends too early is an error. TIFF's loader tells it one level later than the others do. The next
    level, `warning`, would refuse photos that phones really make.

    Args:
        data: The whole file.
        source: Its format, from `source_format`.
        options: Of libvips' loader, such as JPEG's `shrink`.

    Raises:
        Corrupt: The header cannot be read.
        Unsupported: It is a HEIC photo: HEVC is not part of the libvips build.
    """
    fail_on = "error" if source == "tiff" else "truncated"
    try:
        image = pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on=fail_on, **options)
    except pyvips.Error as error:
        raise Corrupt(f"header of {source}: {reason(error)}") from error
    if source == "heif" and image.get("heif-compression") != "av1":
        raise Unsupported(f"HEIF with {image.get('heif-compression')}, only AVIF (av1) can be decoded")
    return image


def encode(image: pyvips.Image, target: str, quality: int | None) -> bytes:
    """Decode, scale and save: all that was only planned until now is done here. No metadata is kept.

    Raises:
        Corrupt: The pixels cannot be decoded.
        TooLarge: A side is beyond what the format can hold.
    """
    encoder = ENCODERS[target]
    if max(image.width, image.height) > encoder.max_side:
        raise TooLarge(f"{image.width}x{image.height} pixels, {target} holds at most {encoder.max_side} a side")
    options = dict(encoder.options)
    if encoder.quality is not None:
        options["Q"] = quality or encoder.quality
    try:
        return cast("bytes", getattr(image, encoder.saver)(keep="none", **options))
    except pyvips.Error as error:
        raise Corrupt(reason(error)) from error


def reason(error: pyvips.Error) -> str:
    """What libvips said, on one line, for the log."""
    return " ".join(str(error).split())[:300]
