"""Decodes JPEG XL by pillow-jxl-plugin, if it is installed: the libvips wheel has no decoder of it."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from functools import partial

import pyvips

from lambda_resize import apart
from lambda_resize.apart import Raster
from lambda_resize.containers import jxl
from lambda_resize.deadline import Deadline
from lambda_resize.errors import Corrupt, TooLarge, Unsupported
from lambda_resize.geometry import Size

_BANDS = {"L": 1, "LA": 2, "I;16": 1, "F": 1, "RGB": 3, "RGBA": 4}
_KINDS = {1: "uchar", 2: "ushort", 4: "float"}  # by the bytes of a sample
_ROOM, _ROOM_OF_GREY = 4, 8  # bytes a pixel; the plugin returns grey of any depth, and 8 bits of colours


@dataclass(frozen=True)
class Jxl:
    """A file whose header was read.

    Attributes:
        data: The whole file.
        header: Of its codestream.
    """

    data: bytes
    header: jxl.Header

    @property
    def size(self) -> Size:
        """In pixels, as stored; it is decoded upright."""
        return Size(self.header.width, self.header.height)

    def decode(self, deadline: Deadline) -> pyvips.Image:
        """Decode it, upright, with its profile. Raises `Corrupt`, `TooLarge`, `TimedOut`."""
        _imported()
        room = self.size.pixels * (_ROOM_OF_GREY if self.header.is_grey else _ROOM)
        pixels, found = apart.decoded(partial(written, jxl.codestream(self.data)), room, deadline)
        image = pyvips.Image.new_from_memory(pixels, found.width, found.height, found.bands, found.kind)
        if found.kind == "float":
            image = (image * 255 + 0.5).cast("uchar")
        grey = "grey16" if found.kind == "ushort" else "b-w"
        image = image.copy(interpretation=grey if found.bands < 3 else "srgb")  # noqa: PLR2004 -- red, green, blue
        if found.profile and self.header.coding is None:
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", found.profile)
        for name, content in jxl.metadata(self.data):
            field = {b"Exif": "exif-data", b"xml ": "xmp-data"}[name]
            image.set_type(pyvips.GValue.blob_type, field, content[4:] if name == b"Exif" else content)
        return image


def opened(data: bytes) -> Jxl:
    """Read the header. Raises `Unsupported` if its decoder is not installed, or it is of a rare kind; `Corrupt`."""
    _imported()
    return Jxl(data, jxl.header(jxl.codestream(data)))


def written(codestream: bytes, pixels: mmap.mmap) -> Raster:
    """Decode into `pixels`, which have the room for what the header says. Raises `Corrupt`, `TooLarge`."""
    import pillow_jxl  # noqa: PLC0415 -- for this one format

    try:
        _, found, data, profile, _ = pillow_jxl.Decoder(num_threads=0)(codestream)
    except RuntimeError as error:
        raise Corrupt("pixels of jxl: they cannot be decoded to their end") from error  # libjxl says no more
    bands = _BANDS[found.mode]
    size = len(data) // (found.width * found.height * bands)
    if size not in _KINDS or len(data) > len(pixels):
        raise TooLarge("jxl: more pixels than its header says")
    pixels[: len(data)] = data
    return Raster(found.width, found.height, bands, _KINDS[size], bytes(profile))


def _imported() -> None:
    try:
        import pillow_jxl  # noqa: F401, PLC0415 -- takes 60 ms and loads Pillow, for this one format
    except ImportError as error:
        raise Unsupported("jxl requires pillow-jxl-plugin, which is not installed") from error
