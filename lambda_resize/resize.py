"""The image core: bytes and a spec in, bytes out. Nothing here knows S3, Lambda or the environment."""

from __future__ import annotations

from dataclasses import dataclass

import pyvips

from lambda_resize import codecs, geometry
from lambda_resize.errors import Corrupt, TooLarge
from lambda_resize.geometry import Geometry, Size
from lambda_resize.settings import Limits
from lambda_resize.spec import STRATEGIES, Spec

DEFAULT_LIMITS = Limits()

# `keep` for the formats that browsers show; an animation becomes its first frame.
KEPT = {"jpeg": "jpeg", "png": "png", "webp": "webp", "heif": "avif", "gif": "png"}

TRANSPOSED = frozenset({5, 6, 7, 8})  # EXIF orientations that lie on their side


@dataclass(frozen=True)
class Preview:
    """A preview: an encoded image without metadata, in sRGB or greyscale, 8 bits a channel, upright.

    Attributes:
        data: The encoded image.
        content_type: Its media type.
        width: Pixels.
        height: Pixels.
    """

    data: bytes
    content_type: str
    width: int
    height: int


def resize(data: bytes, spec: Spec, limits: Limits = DEFAULT_LIMITS) -> Preview:
    """Make a preview of the first frame or page of an image.

    The result has exactly the size that `lambda_resize.geometry` computes from the header, whatever the decoder
    rounds on its way.

    Raises:
        Unsupported: Not an image, or of a format that is not accepted.
        Corrupt: Damaged, or it ends too early, in the part that is needed.
        TooLarge: The image, or what it would be scaled to, is beyond the limits.
    """
    if len(data) > limits.max_source_bytes:
        raise TooLarge(f"{len(data)} bytes, the limit is {limits.max_source_bytes}")
    source = codecs.source_format(data)
    header = codecs.open_image(data, source)
    _check_pixels("the image", Size(header.width, header.height), limits)
    upright = _upright_size(header)
    sizes = geometry.plan(upright, spec)
    _check_pixels("scaled, it", sizes.scaled, limits)
    try:
        image = _standard_colours(_scaled(data, source, header, upright, sizes))
        target = _target_format(source, spec, image)
        image = _on_background(image, target, sizes, spec)
        image = _cut(image, sizes.result, spec) if spec.fit == "cover" else _pad(image, sizes.result, spec)
    except pyvips.Error as error:  # turning a photo upright and looking at its content decode it already here
        raise Corrupt(codecs.reason(error)) from error
    encoded = codecs.encode(image, target, spec.quality)
    return Preview(encoded, codecs.ENCODERS[target].content_type, image.width, image.height)


def shrink_on_load(upright: Size, scaled: Size) -> int:
    """How far a JPEG is shrunk by its decoder, for which that is nearly free: 1, 2, 4 or 8.

    The rule is sharp's: as far as possible, but leaving the resampler a factor of at least (n + 1) / n, where
    the decoder's own rounding of the size no longer shows.
    """
    shrink = min(upright.width / scaled.width, upright.height / scaled.height)
    return next((factor for factor in (8, 4, 2) if shrink >= factor + 1), 1)


def _check_pixels(what: str, size: Size, limits: Limits) -> None:
    if size.pixels > limits.max_source_pixels:
        raise TooLarge(f"{what} has {size.width}x{size.height} pixels, the limit is {limits.max_source_pixels} in all")


def _upright_size(header: pyvips.Image) -> Size:
    """The size after the EXIF orientation is applied."""
    orientation = header.get("orientation") if "orientation" in header.get_fields() else 1
    if orientation in TRANSPOSED:
        return Size(header.height, header.width)
    return Size(header.width, header.height)


def _scaled(data: bytes, source: str, header: pyvips.Image, upright: Size, sizes: Geometry) -> pyvips.Image:
    """The whole photo, upright and scaled, transparency being weighed in; decoded only when it is saved."""
    image = header
    if source == "jpeg" and (shrink := shrink_on_load(upright, sizes.scaled)) > 1:
        image = codecs.open_image(data, source, shrink=shrink)
    if (
        source == "webp"
        and (scale := max(sizes.scaled.width / upright.width, sizes.scaled.height / upright.height)) < 1
    ):
        image = codecs.open_image(data, source, scale=scale)
    # Asked for without need, the conversion of profiles would take longer than everything else together.
    profile = {"output_profile": "srgb"} if "icc-profile-data" in image.get_fields() else {}
    return image.thumbnail_image(
        sizes.scaled.width, height=sizes.scaled.height, size="force", intent="perceptual", **profile
    )


def _standard_colours(image: pyvips.Image) -> pyvips.Image:
    """SRGB, or greyscale as it is, 8 bits a channel."""
    return image if image.interpretation == "b-w" else image.colourspace("srgb")


def _target_format(source: str, spec: Spec, image: pyvips.Image) -> str:
    if spec.format != "keep":
        return spec.format
    return KEPT.get(source) or ("png" if image.hasalpha() else "jpeg")


def _on_background(image: pyvips.Image, target: str, sizes: Geometry, spec: Spec) -> pyvips.Image:
    """Replace transparency where the output has none, and give a grey photo colours where the background has some."""
    flatten = image.hasalpha() and not codecs.ENCODERS[target].alpha
    if (flatten or sizes.scaled != sizes.result) and len(set(spec.background_rgb)) > 1:
        image = image.colourspace("srgb")
    return image.flatten(background=_background(image, spec)[: image.bands - 1]) if flatten else image


def _background(image: pyvips.Image, spec: Spec) -> list[int]:
    """The background as one opaque pixel with the bands of the image."""
    colour = list(spec.background_rgb)[: 3 if image.bands >= 3 else 1]  # noqa: PLR2004 -- red, green and blue
    return [*colour, 255][: image.bands]


def _cut(image: pyvips.Image, size: Size, spec: Spec) -> pyvips.Image:
    room = Size(image.width - size.width, image.height - size.height)
    if room == (0, 0):
        return image
    if spec.position in STRATEGIES:
        # They look at all of it before they decide, and a decoder reads from top to bottom only once.
        return image.copy_memory().smartcrop(size.width, size.height, interesting=spec.position)
    return image.crop(*geometry.offset(room, spec.position, rounding=1), size.width, size.height)


def _pad(image: pyvips.Image, size: Size, spec: Spec) -> pyvips.Image:
    room = Size(size.width - image.width, size.height - image.height)
    if room == (0, 0):
        return image
    left, top = geometry.offset(room, spec.position, rounding=0)
    return image.embed(left, top, size.width, size.height, extend="background", background=_background(image, spec))
