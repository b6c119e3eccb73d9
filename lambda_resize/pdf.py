"""Draws a PDF's first page by pypdfium2, if it is allowed and installed: the libvips wheel has no PDFium."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyvips

from lambda_resize import apart
from lambda_resize.apart import Raster
from lambda_resize.deadline import Deadline
from lambda_resize.errors import Corrupt, TooLarge, Unsupported
from lambda_resize.geometry import Size
from lambda_resize.settings import Limits

DOTS = 200  # an inch, of the size that counts as the page's own: what scanners and office programs use
SHARE = 4  # of the limit of a frame, that a drawn page may have: PDFium and the copies of it take 16 bytes a pixel
_POINTS = 72  # an inch
_SIZE = struct.Struct("ff")


@dataclass(frozen=True)
class Page:
    """A first page.

    Attributes:
        data: The whole file.
        size: In pixels at `DOTS`, or as many as the limits allow.
        scale: From points to pixels.
    """

    data: bytes
    size: Size
    scale: float

    def draw(self, factor: float, deadline: Deadline, limits: Limits) -> pyvips.Image:
        """Draw it on white, `factor` times its size. Raises `TooLarge`, `TimedOut`, `Corrupt`."""
        width, height = (max(1, round(side * factor)) for side in self.size)
        if width * height > limits.max_frame_pixels // SHARE:
            raise TooLarge(f"pdf: {width}x{height} pixels to be drawn, the limit is {limits.max_frame_pixels // SHARE}")
        room = (width + 3) * (height + 3) * 3  # PDFium rounds the page's own sides up
        pixels, found = apart.decoded(partial(drawn, self.data, self.scale * factor), room, deadline)
        image = pyvips.Image.new_from_memory(pixels, found.width, found.height, found.bands, "uchar")
        return image.copy(interpretation="srgb")


def opened(data: bytes, deadline: Deadline, limits: Limits) -> Page:
    """Read the size of the first page.

    Raises:
        Unsupported: pypdfium2 is not installed, or the file has a password.
        Corrupt: It cannot be read, or has no page.
        TimedOut: It takes too long.
    """
    try:
        import pypdfium2  # noqa: F401, PLC0415 -- for this one format
    except ImportError as error:
        raise Unsupported("pdf requires pypdfium2, which is not installed") from error
    numbers, _ = apart.decoded(partial(measured, data), _SIZE.size, deadline)
    width, height = _SIZE.unpack(numbers[: _SIZE.size])
    if not (0 < width < float("inf") and 0 < height < float("inf")):
        raise Corrupt("pdf: a page without a size")
    limit = limits.max_frame_pixels // SHARE
    scale = min(DOTS / _POINTS, (limit / (width * height)) ** 0.5)
    return Page(data, Size(max(1, int(width * scale)), max(1, int(height * scale))), scale)


def measured(data: bytes, numbers: mmap.mmap) -> Raster:
    """Write the first page's width and height in points. Raises `Corrupt`, `Unsupported`."""
    numbers[: _SIZE.size] = _SIZE.pack(*_first_page(data).get_size())
    return Raster(2, 1, 1, "float")


def drawn(data: bytes, scale: float, pixels: mmap.mmap) -> Raster:
    """Draw the first page into `pixels`. Raises `Corrupt`, `Unsupported`."""
    bitmap = _first_page(data).render(scale=scale, rev_byteorder=True, may_draw_forms=False)
    row = bitmap.width * bitmap.n_channels
    buffer = memoryview(bitmap.buffer).cast("B")
    for number in range(bitmap.height):  # rows are padded
        pixels[number * row : (number + 1) * row] = buffer[number * bitmap.stride : number * bitmap.stride + row]
    return Raster(bitmap.width, bitmap.height, bitmap.n_channels)


def _first_page(data: bytes) -> Any:
    import pypdfium2  # noqa: PLC0415 -- see `opened`

    try:
        return pypdfium2.PdfDocument(data)[0]
    except pypdfium2.PdfiumError as error:
        kind = Unsupported if "assword" in str(error) or "ecurity" in str(error) else Corrupt
        raise kind(f"pdf: {error}") from error
    except IndexError as error:
        raise Corrupt("pdf: it has no page") from error
