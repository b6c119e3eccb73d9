"""A rendered preview; who only passes it on needs no libvips for that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preview:
    """A preview: an encoded image without metadata, in sRGB or greyscale, 8 bits a channel, upright.

    Attributes:
        data: The encoded image.
        content_type: Its media type.
        width: Pixels.
        height: Pixels, of one frame.
        thumbhash: The whole photo's, see `lambda_resize.thumbhash`; None unless requested.
    """

    data: bytes
    content_type: str
    width: int
    height: int
    thumbhash: bytes | None = None
