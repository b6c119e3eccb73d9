"""Scaling: as much as possible while decoding, where it is free, the rest by resampling (Lanczos, a = 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

import pyvips

from lambda_resize import sources
from lambda_resize.geometry import Size
from lambda_resize.sources import Photo


@dataclass(frozen=True)
class Decoded:
    """A photo as its decoder returns it.

    Attributes:
        image: As it is stored, maybe on its side; all frames one below the other.
        width: What all of the photo's width is in pixels of `image`: 1362½ where a decoder halves 2725 and leaves
            out the last half.
        height: Likewise, of one frame.
    """

    image: pyvips.Image
    width: Fraction
    height: Fraction

    def in_memory(self) -> Decoded:
        """The same, decoded: it can be read more than once and in any order."""
        return replace(self, image=self.image.copy_memory())

    def frame(self, number: int) -> pyvips.Image:
        """One frame of it, counted from 0."""
        height = self.image.get_page_height()
        return self.image.crop(0, number * height, self.image.width, height)


def shrink_on_load(upright: Size, scaled: Size) -> int:
    """How far a JPEG is shrunk by its decoder, for which that is nearly free: 1, 2, 4 or 8.

    The rule is sharp's: as far as possible, but leaving the resampler a factor of at least (n + 1) / n, where
    the decoder's own rounding of the size no longer shows.
    """
    shrink = min(upright.width / scaled.width, upright.height / scaled.height)
    return next((factor for factor in (8, 4, 2) if shrink >= factor + 1), 1)


def decode(photo: Photo, scaled: Size) -> Decoded:
    """The photo, no smaller than `scaled` (its upright size), as small as its decoder can make it."""
    if photo.format == "jpeg" and (shrink := shrink_on_load(photo.upright, scaled)) > 1:
        stored = photo.size
        return Decoded(photo.open(shrink=shrink), Fraction(stored.width, shrink), Fraction(stored.height, shrink))
    scale = max(scaled.width / photo.upright.width, scaled.height / photo.upright.height)
    # WebP's decoder scales down as well; SVG is drawn at any size.
    image = photo.open(scale=scale) if photo.format == "svg" or (photo.format == "webp" and scale < 1) else photo.image
    return Decoded(image, Fraction(image.width), Fraction(image.get_page_height()))


def scale(decoded: Decoded, frame: pyvips.Image, scaled: Size, *, transposed: bool) -> pyvips.Image:
    """One frame, upright, exactly `scaled` large, in sRGB or greyscale, transparency being weighed in."""
    stored = Size(*reversed(scaled)) if transposed else scaled
    frame = frame.copy()
    frame.remove("page-height")  # a frame is an image of its own, and no multiple of another's height
    if (decoded.width, decoded.height) != (frame.width, frame.height):
        frame = _resampled(frame, decoded, stored)
    if _is_done(frame, scaled):
        return frame
    # Converting profiles without need would last longer than everything else together.
    profile = {"output_profile": "srgb"} if frame.get_typeof("icc-profile-data") else {}
    image = frame.thumbnail_image(scaled.width, height=scaled.height, size="force", intent="perceptual", **profile)
    return image if image.interpretation == "b-w" else image.colourspace("srgb")


def _is_done(frame: pyvips.Image, scaled: Size) -> bool:
    """Whether size, orientation and colours are those of a preview already, as those of most JPEGs are by now.

    libvips would plan operations that change nothing: two thirds of a millisecond of a camera photo's 25.
    """
    return (
        (frame.width, frame.height) == scaled
        and frame.interpretation in {"srgb", "b-w"}
        and frame.format == "uchar"
        and sources.orientation(frame) == 1
        and not frame.get_typeof("icc-profile-data")
    )


def _resampled(frame: pyvips.Image, decoded: Decoded, stored: Size) -> pyvips.Image:
    """Scale by what the whole photo is scaled by, so that the fraction of a pixel left out shifts nothing.

    Against a resampling of the full photo, SSIM at 720 wide is 0.990 so, and 0.984 where the shrunken image is
    stretched to the size. Where the result would come out one pixel short, the last column or row is repeated first.
    """
    across, down = stored.width / decoded.width, stored.height / decoded.height
    width, height = _enough(frame.width, across, stored.width), _enough(frame.height, down, stored.height)
    if (width, height) != (frame.width, frame.height):
        frame = frame.embed(0, 0, width, height, extend="copy")
    return frame.resize(float(across), vscale=float(down))


def _enough(side: int, factor: Fraction, wanted: int) -> int:
    """`side`, or one more where it would be rounded to less than `wanted`."""
    return side if floor(side * factor + Fraction(1, 2)) >= wanted else side + 1
