"""Looks at a photo's container before its decoder runs: what will decoding cost, beyond the pixels of its header?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lambda_resize.containers import gif, heif, jpeg, png, svg, tiff, webp

# From a file and the limit of a frame in pixels to the file that the decoder gets.
_CHECKS: Mapping[str, Callable[[bytes, int], bytes]] = {
    "gif": gif.checked,
    "heif": heif.checked,
    "jpeg": jpeg.checked,
    "png": png.checked,
    "svg": svg.checked,
    "tiff": tiff.checked,
    "webp": webp.checked,
}


def checked(data: bytes, source_format: str, max_frame_pixels: int) -> bytes:
    """Return the photo, without what a decoder would read for nothing.

    A damaged photo is followed as far as it can be; its decoder reports the damage, but SVG's is reported here.

    Raises:
        TooLarge: Decoding would cost more than `bounds` allow.
        Corrupt: It contradicts itself about that.
        Unsupported: It has parts of a kind that is not followed here.
    """
    return _CHECKS[source_format](data, max_frame_pixels)
