"""What a TIFF's page and a GIF's frames say of their pixels, and libvips does not apply."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyvips

from lambda_resize.containers.gif import CLEARS, RESTORES, Frame
from lambda_resize.containers.tiff import Page
from lambda_resize.errors import Unsupported


def tiff(image: pyvips.Image, page: Page) -> pyvips.Image:
    """Return the page in RGB where it is YCbCr, without channels that are no opacity. Raises `Unsupported`."""
    if 0 < page.unspecified < image.bands:
        image = image.extract_band(0, n=image.bands - page.unspecified)
    return _in_rgb(image, page) if page.luma else image


def _in_rgb(image: pyvips.Image, page: Page) -> pyvips.Image:
    """Convert by TIFF 6's formulas (section 21)."""
    if image.format != "uchar" or image.bands != 3 or not page.luma:  # noqa: PLR2004 -- Y, Cb, Cr
        raise Unsupported("tiff: YCbCr of more than 8 bits, or with further channels")
    black, white, *chroma = page.black_white
    red, green, blue = page.luma
    y = image[0].linear(255 / ((white - black) or 1), -black * 255 / ((white - black) or 1))
    cb, cr = (
        image[band].linear(127 / ((top - zero) or 1), -zero * 127 / ((top - zero) or 1))
        for band, zero, top in ((1, *chroma[:2]), (2, *chroma[2:4]))
    )
    r, b = y + cr * (2 - 2 * red), y + cb * (2 - 2 * blue)
    g = (y - b * blue - r * red) / (green or 1)
    return r.bandjoin([g, b]).rint().cast("uchar").copy(interpretation="srgb")


def gif(image: pyvips.Image, frames: Sequence[Frame], check: Callable[[], None]) -> pyvips.Image:
    """Return frames, one below the other, transparent where nothing is drawn yet; libvips leaves that black.

    A GIF that says itself what is transparent is returned as it is. Others take a byte for each pixel of all frames, at
    once. `check` is called for each frame, and raises where the time is up.
    """
    width, height = image.width, image.get_page_height()
    covers = [each.left <= 0 and each.top <= 0 and each.right >= width and each.bottom >= height for each in frames]
    if image.hasalpha() or not frames or (covers[0] and not any(each.disposal == CLEARS for each in frames)):
        return image
    masks = []
    for mask in _masks(width, height, frames[: image.height // height]):
        check()
        masks.append(mask)
    return image.bandjoin(pyvips.Image.arrayjoin(masks, across=1))


def _masks(width: int, height: int, frames: Sequence[Frame]) -> Iterator[pyvips.Image]:
    """Yield which pixels are drawn when each frame is shown: 255, or 0."""
    mask = pyvips.Image.black(width, height)
    for frame in frames:
        drawn = _filled(mask, frame, 255)
        yield drawn
        mask = _filled(drawn, frame, 0) if frame.disposal == CLEARS else mask if frame.disposal == RESTORES else drawn


def _filled(mask: pyvips.Image, frame: Frame, value: int) -> pyvips.Image:
    width, height = min(frame.right, mask.width) - frame.left, min(frame.bottom, mask.height) - frame.top
    if min(width, height) <= 0:
        return mask
    part = (pyvips.Image.black(width, height) + value).cast("uchar")
    return mask.insert(part, frame.left, frame.top).copy_memory()
