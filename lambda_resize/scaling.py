"""Scales photos: as far as possible while decoding, which is free, the rest by resampling (Lanczos, a = 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

import pyvips

from lambda_resize import colours, sources, wide
from lambda_resize.geometry import Size
from lambda_resize.sources import Photo

# WebP's decoder averages the pixels of a box, which shows rings where the photo has fine lines: it leaves the resampler
# a factor of two, as JPEG's does at least half of the time.
WEBP_ROOM = 2


@dataclass(frozen=True)
class Decoded:
    """A photo as its decoder returns it.

    Attributes:
        image: The photo as stored, possibly on its side; all frames one below the other.
        width: The photo's whole width in pixels of `image`: 1362½ if a decoder halves 2725 and drops the last half.
        height: Likewise, of one frame.
        frames: Those of an animation that is in memory.
    """

    image: pyvips.Image
    width: Fraction
    height: Fraction
    frames: tuple[pyvips.Image, ...] = ()

    def in_memory(self) -> Decoded:
        """Decode into memory, so that pixels can be read more than once and in any order.

        An animation is copied frame by frame: libvips would hold all of them twice.
        """
        count = self.image.height // self.image.get_page_height()
        if self.frames:
            return self
        if count == 1:
            return replace(self, image=self.image.copy_memory())
        return replace(self, frames=tuple(self.frame(number).copy_memory() for number in range(count)))

    def frame(self, number: int) -> pyvips.Image:
        """Return one frame, counted from 0."""
        if self.frames:
            return self.frames[number]
        height = self.image.get_page_height()
        return self.image.crop(0, number * height, self.image.width, height)


def shrink_on_load(upright: Size, scaled: Size) -> int:
    """Return how far a JPEG's decoder shrinks it, which is nearly free: 1, 2, 4 or 8.

    The rule is sharp's: as far as possible, but leaving the resampler a factor of at least (n + 1) / n, where
    the decoder's own rounding of the size no longer shows.
    """
    shrink = min(upright.width / scaled.width, upright.height / scaled.height)
    return next((factor for factor in (8, 4, 2) if shrink >= factor + 1), 1)


def decode(photo: Photo, scaled: Size) -> Decoded:
    """Open the photo as small as its decoder can make it, but no smaller than `scaled`, an upright size."""
    if photo.by_pillow and photo.frames > 1:
        first, frames = photo.moving()
        return Decoded(first, Fraction(first.width), Fraction(first.height), frames)
    if photo.format == "jpeg" and (shrink := shrink_on_load(photo.upright, scaled)) > 1:
        stored = photo.size
        return Decoded(photo.open(shrink=shrink), Fraction(stored.width, shrink), Fraction(stored.height, shrink))
    scale = max(scaled.width / photo.upright.width, scaled.height / photo.upright.height)
    if photo.format == "webp":
        scale *= WEBP_ROOM
    # WebP's decoder scales down as well; SVG and PDF are drawn at any size.
    scales = photo.format in {"svg", "pdf"} or (photo.format == "webp" and scale < 1)
    image = photo.open(scale=scale) if scales else photo.shown
    return Decoded(image, Fraction(image.width), Fraction(image.get_page_height()))


def scale(
    photo: Photo, decoded: Decoded, frame: pyvips.Image, scaled: Size, *, may_be_wide: bool = False
) -> pyvips.Image:
    """Scale one frame to exactly `scaled`, upright, in sRGB or greyscale; colours are weighted by their opacity.

    Where it may be wide, a frame whose colours are is in Display P3, and says so.
    """
    stored = Size(*reversed(scaled)) if photo.transposed else scaled
    frame = frame.copy()
    frame.remove("page-height")  # now a single image, not a stack of frames
    if (decoded.width, decoded.height) != (frame.width, frame.height):
        frame = _resampled(frame, decoded, stored)
    if _is_done(frame, scaled):
        return frame
    # Only if there is a profile, or must be one: converting takes longer than everything else together.
    converted = frame.get_typeof("icc-profile-data") or frame.interpretation == "cmyk"
    # CMYK without a profile gets libvips' own, as in sharp; its conversion by numbers makes black grey.
    is_wide = may_be_wide and wide.is_wide(frame)
    profile = {"input_profile": "cmyk", "output_profile": wide.P3 if is_wide else "srgb"} if converted else {}
    options = {"height": stored.height, "size": "force", "no_rotate": True, "intent": "perceptual", **profile}
    image = frame.thumbnail_image(stored.width, **options)
    if sources.orientation(frame) != 1:
        image = photo.in_memory(image).autorot()
    if colours.are_to_be_converted(image):
        image = colours.converted(photo.in_memory(image), wide.FROM_SRGB if is_wide else None)
    elif image.interpretation != "b-w":
        image = image.colourspace("srgb")
    return wide.described(image) if is_wide else image


def _is_done(frame: pyvips.Image, scaled: Size) -> bool:
    """Whether size, orientation and colours are already those of the preview, as for most JPEGs.

    libvips would plan operations that change nothing, for two thirds of a millisecond of a camera photo's 25.
    """
    return (
        (frame.width, frame.height) == scaled
        and frame.interpretation in {"srgb", "b-w"}
        and frame.format == "uchar"
        and sources.orientation(frame) == 1
        and not frame.get_typeof("icc-profile-data")
        and not colours.are_to_be_converted(frame)
    )


def _resampled(frame: pyvips.Image, decoded: Decoded, stored: Size) -> pyvips.Image:
    """Scale by the whole photo's factor, so that the fraction of a pixel that the decoder drops shifts nothing.

    Compared with a resampling of the full photo, SSIM at 720 wide is 0.990; it is 0.984 if the shrunken image is
    stretched to the size. If the result would be one pixel short, the last column or row is repeated first.
    """
    across, down = stored.width / decoded.width, stored.height / decoded.height
    width, height = _enough(frame.width, across, stored.width), _enough(frame.height, down, stored.height)
    if (width, height) != (frame.width, frame.height):
        frame = frame.embed(0, 0, width, height, extend="copy")
    return frame.resize(float(across), vscale=float(down))


def _enough(side: int, factor: Fraction, wanted: int) -> int:
    """Return `side`, or one more if the scaled side would be rounded to less than `wanted`."""
    return side if floor(side * factor + Fraction(1, 2)) >= wanted else side + 1
