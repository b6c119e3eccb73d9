"""Pictures for the tests: generated, encoded as files, and rendered by the image core."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
import pyvips
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from lambda_resize.preview import Preview
from lambda_resize.resize import resize
from prewmanager_presets import Spec

ORIENTATION = 0x0112
# The transformation of the upright picture that each EXIF orientation undoes.
TREATMENTS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """Return Pillow's image as an encoded file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@cache
def noise(width: int = 300, height: int = 200) -> Image.Image:
    """Return incompressible pixels, so that a truncated file lacks some of them."""
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8))


def gradient(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Return a picture that is dark in the middle, bright at the edges, and compresses well in every format."""
    return Image.radial_gradient("L").resize((width, height)).convert(mode)


def halves(mode: str, size: tuple[int, int], left: Any, right: Any, at: int | None = None) -> Image.Image:
    """Return two colours side by side; the second one starts in the middle unless given."""
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2 if at is None else at, 0, *size))
    return image


def exif(orientation: int) -> Image.Exif:
    """Return EXIF data with only an orientation."""
    made = Image.Exif()
    made[ORIENTATION] = orientation
    return made


def stored(upright: Image.Image, orientation: int) -> Image.Image:
    """Return the picture as a camera held in this orientation stores it."""
    treatment = TREATMENTS[orientation]
    return upright if treatment is None else upright.transpose(treatment)


def opened(preview: Preview) -> Image.Image:
    """Return the preview decoded by Pillow, after comparing it with its description."""
    image = Image.open(io.BytesIO(preview.data))
    image.load()
    assert image.size == (preview.width, preview.height)
    assert image.get_format_mimetype() == preview.content_type
    return image


def rendered(data: bytes, **fields: Any) -> Image.Image:
    """Return the preview for these fields of a spec, decoded."""
    return opened(resize(data, Spec(**fields)))


def colour(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """Return the channels of a pixel."""
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def pixels(image: Image.Image) -> NDArray[np.int16]:
    """Return signed RGB values, for subtraction."""
    return np.asarray(image.convert("RGB")).astype(np.int16)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two images of the same size, 0 to 255."""
    return float(np.abs(pixels(one) - pixels(other)).mean())


def furthest(given: ArrayLike, wanted: ArrayLike) -> int:
    """Return the largest difference of any channel, of one colour or of many."""
    return int(np.abs(np.subtract(given, wanted, dtype=np.int16)).max())


def delta_e(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of colours (CIEDE2000) of two images of the same size; opacity does not count."""
    assert one.size == other.size
    lab = [
        pyvips.Image.new_from_array(np.asarray(each.convert("RGB"))).copy(interpretation="srgb")
        for each in (one, other)
    ]
    return float(lab[0].dE00(lab[1]).avg())
