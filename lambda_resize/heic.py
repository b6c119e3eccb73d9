"""Decodes HEIC, the format of phones, by pi-heif if it is installed: the libvips wheel does not decode HEVC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyvips

from lambda_resize.deadline import Deadline
from lambda_resize.errors import Corrupt, Unsupported
from lambda_resize.geometry import Size

_INTERPRETATIONS = {"uchar": ("srgb", "b-w"), "ushort": ("rgb16", "grey16")}


class Heic:
    """A HEIC file's primary image, whose header was read."""

    def __init__(self, data: bytes, *, deep: bool = False) -> None:
        """Read the header, by pi-heif: libvips refuses files of more than 256 items, as panoramas of phones have.

        Args:
            data: The whole file.
            deep: Whether more than 8 bits of a channel are kept, as 16.

        Raises:
            Unsupported: pi-heif is not installed.
            Corrupt: The header cannot be read.
        """
        try:
            import pi_heif  # noqa: PLC0415 -- takes 60 ms and loads Pillow, for this one format
        except ImportError as error:
            raise Unsupported("HEIC (HEVC) requires pi-heif, which is not installed") from error
        with _translated("header"):
            self._deep = deep
            self._picture = pi_heif.open_heif(data, convert_hdr_to_8bit=not deep, bgr_mode=False)
            self.size = Size(*self._picture.size)
            self.bits = int(self._picture.info["bit_depth"])  # of a channel, as stored

    def decode(self, deadline: Deadline) -> pyvips.Image:
        """Decode it, upright, with its profile, and 8 bits a channel unless it is deep.

        libde265 cannot be stopped; what the file makes it do is bounded beforehand, by `lambda_resize.containers.heif`.

        Raises:
            TimedOut: The time was up before or after it.
            Corrupt: The file cannot be decoded.
        """
        picture = self._picture
        deadline.check()
        with _translated("pixels"):
            pixels, profile = bytes(picture.data), picture.info.get("icc_profile")
            held = {"exif-data": picture.info.get("exif"), "xmp-data": picture.info.get("xmp")}
        deadline.check()
        channels, _, deep = picture.mode.partition(";")  # "RGBA", "RGB;16"; "I;16" is grey
        bands, size, kind = len(channels), 2 if deep else 1, "ushort" if deep else "uchar"
        # Rows are padded; cropping to the image's true width removes the padding.
        stride = picture.stride // (bands * size)
        image = pyvips.Image.new_from_memory(pixels, stride, self.size.height, bands, kind).crop(0, 0, *self.size)
        image = image.copy(interpretation=_INTERPRETATIONS[kind][bands < 3])  # noqa: PLR2004 -- red, green, blue
        if deep and not self._deep:  # grey, which pi-heif does not convert
            image = image.colourspace("b-w")
        for name, content in (held | {"icc-profile-data": profile}).items():
            if content:
                image.set_type(pyvips.GValue.blob_type, name, content)
        # It is upright; libvips would turn it by its EXIF data once more.
        image.set_type(pyvips.GValue.gint_type, "orientation", 1)
        return image


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    # libheif's binding raises all of these, the last for a file without a picture that it can decode.
    except (ValueError, EOFError, OSError, SyntaxError, RuntimeError, IndexError) as error:
        raise Corrupt(f"{what} of heic: {error}") from error
