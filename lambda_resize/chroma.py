"""Whether a picture needs its colours at whole resolution, as text, screenshots and logos do."""

from __future__ import annotations

import pyvips

# A larger picture is not held in memory to be looked at; its colours are halved.
MAX_PIXELS = 2**24

# Pixels whose colour differs by more than this from the mean of their two by two, of 255; and how many of a picture's
# need to. Of 20 photos at most 0.17 % do, of a page with coloured links 0.43 %, of drawn text 11 % (docs/images.md).
_DIFFERENCE = 48
_SHARE = 0.0025
_RED_GREEN_BLUE = 3


def measured(image: pyvips.Image, chroma: str, *, always: bool) -> tuple[pyvips.Image, bool]:
    """Return the picture, in memory if it was looked at, and whether to encode it with whole chroma.

    Args:
        image: The picture; it is not looked at if it moves.
        chroma: A preset's.
        always: Whether `auto` means whole chroma for any picture.
    """
    if chroma != "auto" or always:
        return image, chroma != "420"
    moves = image.get_page_height() != image.height
    if moves or image.bands < _RED_GREEN_BLUE or image.width * image.height > MAX_PIXELS:
        return image, False
    image = image.copy_memory()
    return image, _share(image) > _SHARE


def _share(image: pyvips.Image) -> float:
    """Return the share of pixels whose colour would be lost at half the resolution."""
    even = image.embed(0, 0, image.width + image.width % 2, image.height + image.height % 2, extend="copy")
    green = even[1].cast("short")
    colours = (even[0] - green).bandjoin(even[2] - green).cast("short")
    lost = (colours - colours.shrink(2, 2).zoom(2, 2)).abs() > _DIFFERENCE
    return float((lost[0] | lost[1]).avg()) / 255
