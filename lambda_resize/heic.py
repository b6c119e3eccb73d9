"""Decodes HEIC, the format of phones, by pi-heif if it is installed: the libvips wheel does not decode HEVC."""

from __future__ import annotations

import pyvips

from lambda_resize.deadline import Deadline
from lambda_resize.errors import Corrupt, Unsupported


def decode(data: bytes, deadline: Deadline) -> pyvips.Image:
    """Decode a HEIC file's primary image, upright, with 8 bits a channel and its profile.

    libde265 cannot be stopped; what the file makes it do is bounded beforehand, by `lambda_resize.containers.heif`.

    Raises:
        TimedOut: The time was up before or after it.
        Unsupported: pi-heif is not installed.
        Corrupt: The file cannot be decoded.
    """
    try:
        import pi_heif  # noqa: PLC0415 -- takes 60 ms and loads Pillow, for this one format
    except ImportError as error:
        raise Unsupported("HEIC (HEVC) requires pi-heif, which is not installed") from error
    deadline.check()
    try:
        picture = pi_heif.open_heif(data, convert_hdr_to_8bit=True, bgr_mode=False)
        pixels, bands, profile = bytes(picture.data), len(picture.mode), picture.info.get("icc_profile")
    except (ValueError, EOFError, OSError, SyntaxError, RuntimeError) as error:  # libheif's binding raises all of these
        raise Corrupt(f"pixels of heic: {error}") from error
    deadline.check()
    width, height = picture.size
    # Rows are padded; cropping to the image's true width removes the padding.
    stride = picture.stride // bands
    image = pyvips.Image.new_from_memory(pixels, stride, height, bands, "uchar").crop(0, 0, width, height)
    image = image.copy(interpretation="b-w" if bands < 3 else "srgb")  # noqa: PLR2004 -- red, green, blue
    if profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image
