"""Whether a picture needs its colours at whole resolution, as text, screenshots and logos do."""

from __future__ import annotations

import pyvips

# A larger picture is not held in memory to be looked at; its colours are halved.
MAX_PIXELS = 2**24

# Pixels whose colour differs by more than this from the mean of their two by two, of 255; and how many of a picture's
# need to. Of 20 photos at most 0.17 % do, of a page with coloured links 0.43 %, of drawn text 11 % (docs/images.md).
_DIFFERENCE = 48
_SHARE = 0.0025
_BLOCK = 2  # pixels that share a colour, each way
_EVERY = 8  # lines, of which the first two are looked at
_ALL_LINES = 64  # of a picture so low, all lines are
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
    """Return the share of pixels whose colour would be lost at half the resolution, of those that are looked at."""
    if min(image.width, image.height) < _BLOCK:
        return 0.0
    sample = _some_lines(image)
    # In memory, since each of the two comparisons would compute it again.
    change = (sample - sample.shrink(_BLOCK, _BLOCK).zoom(_BLOCK, _BLOCK)).cast("short").copy_memory()
    green = change[1]
    lost = ((change[0] - green).abs() > _DIFFERENCE) | ((change[2] - green).abs() > _DIFFERENCE)
    return float(lost.avg()) / 255


def _some_lines(image: pyvips.Image) -> pyvips.Image:
    """Return two lines of each eight, of even width: a quarter of the time, and text is higher than the six others."""
    image = image.crop(0, 0, image.width // _BLOCK * _BLOCK, image.height // _BLOCK * _BLOCK)
    if image.height <= _ALL_LINES:
        return image
    pixels: bytes = image.write_to_memory()
    line = len(pixels) // image.height
    kept = [pixels[start : start + _BLOCK * line] for start in range(0, len(pixels), _EVERY * line)]
    lines = sum(map(len, kept)) // line
    return pyvips.Image.new_from_memory(b"".join(kept), image.width, lines, image.bands, image.format)
