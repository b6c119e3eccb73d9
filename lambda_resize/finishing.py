"""Finishes scaled photos: effects, transparency, background, and cutting or padding to the preview's size."""

from __future__ import annotations

import pyvips

from lambda_resize import codecs, geometry, wide
from lambda_resize.geometry import Geometry, Size
from prewmanager_presets import CONTENT_POSITIONS, Spec

OPAQUE = 255


def finish(image: pyvips.Image, target: str, sizes: Geometry, spec: Spec) -> pyvips.Image:
    """Return the image to encode; `image` is the whole photo, scaled."""
    image = _with_effects(image, spec)
    image = _on_background(image, target, sizes, spec)
    return _cut(image, sizes.result, spec) if spec.fit == "cover" else _pad(image, sizes.result, spec)


def reads_twice(image: pyvips.Image, spec: Spec) -> bool:
    """Whether the pixels are read before they are encoded: to find transparency, or what to cut."""
    by_content = spec.fit == "cover" and spec.position in CONTENT_POSITIONS
    return by_content or (spec.transparent == "keep" and bool(image.hasalpha()))


def is_transparent(image: pyvips.Image) -> bool:
    """Whether any pixel is not opaque; an alpha channel alone does not mean that."""
    return bool(image.hasalpha() and image[image.bands - 1].min() < OPAQUE)


def _with_effects(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Blur, then sharpen. The blur weights colours by their opacity; sharpening does not change opacity."""
    if spec.blur:
        weighed = image.premultiply().gaussblur(spec.blur).unpremultiply() if image.hasalpha() else None
        image = (weighed or image.gaussblur(spec.blur)).cast("uchar")
    if not spec.sharpen:
        return image
    if image.hasalpha():
        colours = image.extract_band(0, n=image.bands - 1)
        return _sharpened(colours, spec.sharpen).bandjoin(image[image.bands - 1])
    return _sharpened(image, spec.sharpen)


def _sharpened(image: pyvips.Image, sigma: float) -> pyvips.Image:
    """Sharpen as sharp's `sharpen({sigma})` does: lightness only, flat areas less than edges."""
    return image.sharpen(sigma=sigma, m1=1, m2=2).colourspace(image.interpretation)


def _on_background(image: pyvips.Image, target: str, sizes: Geometry, spec: Spec) -> pyvips.Image:
    """Flatten transparency if the format has none; a grey photo on a coloured background becomes RGB."""
    flatten = image.hasalpha() and not codecs.ENCODERS[target].alpha
    if (flatten or sizes.scaled != sizes.result) and len(set(background_rgb(spec))) > 1:
        image = image.colourspace("srgb")
    return image.flatten(background=_background(image, spec)[: image.bands - 1]) if flatten else image


def _background(image: pyvips.Image, spec: Spec) -> list[int]:
    """Return the background as one opaque pixel with the bands of the image."""
    rgb = background_rgb(spec)
    colour = list(wide.from_srgb(rgb) if wide.is_described(image) else rgb)[: 3 if image.bands >= 3 else 1]  # noqa: PLR2004 -- red, green and blue
    return [*colour, OPAQUE][: image.bands]


def _cut(image: pyvips.Image, size: Size, spec: Spec) -> pyvips.Image:
    room = Size(image.width - size.width, image.height - size.height)
    if room == (0, 0):
        return image
    if spec.position in CONTENT_POSITIONS:
        # These positions depend on every pixel, and a decoder reads from top to bottom only once.
        return image.copy_memory().smartcrop(size.width, size.height, interesting=spec.position)
    return image.crop(*geometry.offset(room, spec.position, rounding=1), size.width, size.height)


def _pad(image: pyvips.Image, size: Size, spec: Spec) -> pyvips.Image:
    room = Size(size.width - image.width, size.height - image.height)
    if room == (0, 0):
        return image
    left, top = geometry.offset(room, spec.position, rounding=0)
    return image.embed(left, top, size.width, size.height, extend="background", background=_background(image, spec))


def background_rgb(spec: Spec) -> tuple[int, int, int]:
    """Return the background as red, green and blue, 0 to 255 each."""
    red, green, blue = bytes.fromhex(spec.background[1:])
    return red, green, blue
