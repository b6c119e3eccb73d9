"""Decodes by Pillow, where it is installed, what the libvips wheel does not: moving AVIF and PNG, and rarer formats."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyvips

from lambda_resize.containers import avis
from lambda_resize.errors import Corrupt, TooLarge, Unsupported
from lambda_resize.geometry import Size

# Pillow's names of the formats; it tries no other.
FORMATS = {"avis": "AVIF", "png": "PNG", "bmp": "BMP", "ico": "ICO", "jp2": "JPEG2000", "psd": "PSD"}
_FIRST_BYTES = {
    b"BM": "bmp",
    b"\0\0\1\0": "ico",
    b"\0\0\0\x0cjP  \r\n\x87\n": "jp2",
    b"\xff\x4f\xff\x51": "jp2",
    b"8BPS": "psd",
}
_MOVING = frozenset({"avis", "png"})  # a PSD's frames would be its layers
ALWAYS = frozenset(FORMATS) - {"png"}  # which is decoded here where it moves
_ORIENTATION = 0x0112
_METADATA = {"icc-profile-data": "icc_profile", "exif-data": "exif", "xmp-data": "xmp"}  # libvips' name, Pillow's
_INTERPRETATIONS = {"L": "b-w", "LA": "b-w", "RGB": "srgb", "RGBA": "srgb", "CMYK": "cmyk"}
_WITH_OPACITY = frozenset({"PA", "La", "RGBa"})
_DEPTHS = frozenset({b"\0\1", b"\0\x08"})  # bits a channel of PSD
_PALETTES = frozenset({"1", "P"})


def source_format(data: bytes) -> str | None:
    """Return an image's format by its first bytes: one of `ALWAYS`, or None."""
    if avis.is_moving(data):
        return "avis"
    for begin, name in _FIRST_BYTES.items():
        if data.startswith(begin):
            return name
    return None


class Pictures:
    """A file's pictures, of which the headers were read.

    Attributes:
        size: In pixels, as stored.
        count: How many there are to be shown: 1, unless they move.
    """

    def __init__(self, data: bytes, source_format: str) -> None:
        """Read the header.

        Raises:
            Unsupported: Pillow is not installed.
            Corrupt: The header cannot be read.
        """
        try:
            from PIL import Image  # noqa: PLC0415 -- takes 40 ms, for these formats alone
        except ImportError as error:
            raise Unsupported(f"{source_format} requires Pillow, which is not installed") from error
        if source_format == "psd" and data[22:24] not in _DEPTHS:
            raise Unsupported(f"psd: {int.from_bytes(data[22:24])} bits a channel")
        self._format = source_format
        with _translated("header", source_format):
            self._image: Any = Image.open(io.BytesIO(data), formats=[FORMATS[source_format]])
            self.size = Size(*self._image.size)
            # A PNG may have a picture for programs that know no animation, which is not shown as a part of it.
            self._first = int(getattr(self._image, "default_image", False))
            moves = source_format in _MOVING
            self.count = max(1, int(getattr(self._image, "n_frames", 1)) - self._first) if moves else 1

    def picture(self) -> pyvips.Image:
        """Decode the first picture, with its profile and orientation. Raises `Corrupt`, `Unsupported`."""
        with _translated("pixels", self._format):
            self._image.load()
            image = _as_vips(self._image)
            held = {name: self._image.info.get(key) for name, key in _METADATA.items()}
            orientation = int(self._image.getexif().get(_ORIENTATION, 1))
        for name, content in held.items():
            if isinstance(content, bytes) and content:
                image.set_type(pyvips.GValue.blob_type, name, content)
        if orientation in range(2, 9):
            image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        return image

    def frames(self, count: int) -> Iterator[tuple[pyvips.Image, int]]:
        """Decode the first `count` frames in turn: yield each in RGB with opacity, and for how many ms it is shown.

        Raises `Corrupt`.
        """
        for number in range(count):
            with _translated("pixels", self._format):
                self._image.seek(self._first + number)
                self._image.load()
                image, delay = _as_vips(self._image.convert("RGBA")), round(self._image.info.get("duration", 0))
            yield image, delay

    @property
    def loop(self) -> int:
        """How often the animation is shown; 0: without end."""
        return int(self._image.info.get("loop", 0))


def _as_vips(image: Any) -> pyvips.Image:
    """Return Pillow's picture, its pixels copied."""
    if image.mode in _PALETTES or image.mode in _WITH_OPACITY:
        image = image.convert("RGBA" if image.mode in _WITH_OPACITY or "transparency" in image.info else "RGB")
    if image.mode == "I;16":
        pixels = pyvips.Image.new_from_memory(image.tobytes(), *image.size, 1, "ushort")
        return pixels.copy(interpretation="grey16")
    if image.mode not in _INTERPRETATIONS:
        raise Unsupported(f"{image.format}: pixels of the kind {image.mode}")
    bands = len(image.getbands())
    pixels = pyvips.Image.new_from_memory(image.tobytes(), *image.size, bands, "uchar")
    return pixels.copy(interpretation=_INTERPRETATIONS[image.mode])


@contextmanager
def _translated(what: str, source_format: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():  # of sizes, which are checked, and of damage, which is answered
            warnings.simplefilter("ignore")
            yield
    except (Corrupt, Unsupported, TooLarge):
        raise
    except MemoryError as error:
        raise TooLarge(f"{what} of {source_format}: more memory than there is") from error
    # Its plugins parse in Python, so that damage raises whatever Python does.
    except Exception as error:
        name = type(error).__name__
        if "nsupported" in str(error):
            raise Unsupported(f"{what} of {source_format}: {error}") from error
        if name == "DecompressionBombError":
            raise TooLarge(f"{what} of {source_format}: {error}") from error
        raise Corrupt(f"{what} of {source_format}: {name} {error}") from error
