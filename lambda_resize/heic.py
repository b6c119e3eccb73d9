"""HEIC, the format of phones: the libvips wheel does not decode its HEVC; pi-heif does, if installed."""

from __future__ import annotations

import pyvips

from lambda_resize.errors import Corrupt, Unsupported


def decode(data: bytes) -> pyvips.Image:
    """The main picture of a HEIC file, upright, 8 bits a channel, with its profile.

    Raises:
        Unsupported: pi-heif is not installed.
        Corrupt: It cannot be decoded.
    """
    try:
        import pi_heif  # noqa: PLC0415 -- 60 ms and Pillow with it, for the one format that needs them
    except ImportError as error:
        raise Unsupported("HEIC (HEVC), and pi-heif is not installed") from error
    try:
        picture = pi_heif.open_heif(data, convert_hdr_to_8bit=True, bgr_mode=False)
        pixels, bands, profile = bytes(picture.data), len(picture.mode), picture.info.get("icc_profile")
    except (ValueError, EOFError, OSError, SyntaxError, RuntimeError) as error:  # all of which libheif's binding raises
        raise Corrupt(f"pixels of heic: {error}") from error
    width, height = picture.size
    # Rows are padded: the surplus at their ends is cut off with the picture's true width.
    stride = picture.stride // bands
    image = pyvips.Image.new_from_memory(pixels, stride, height, bands, "uchar").crop(0, 0, width, height)
    image = image.copy(interpretation="b-w" if bands < 3 else "srgb")  # noqa: PLR2004 -- red, green, blue
    if profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image
