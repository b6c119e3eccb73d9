"""Pictures of the tests: made on the spot, as files, and as they come out of the image core."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from lambda_resize.resize import Preview, resize
from prewmanager_presets import Spec

ORIENTATION = 0x0112
# What a camera does to the upright picture before it writes each EXIF orientation.
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
    """Pillow's image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@cache
def noise(width: int = 300, height: int = 200) -> Image.Image:
    """Pixels that no format can compress away, so that a file cut short lacks something."""
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8))


def gradient(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Dark in the middle, bright at the edges: what every format compresses well."""
    return Image.radial_gradient("L").resize((width, height)).convert(mode)


def halves(mode: str, size: tuple[int, int], left: Any, right: Any, at: int | None = None) -> Image.Image:
    """Two colours side by side, the second from the middle on unless it is said where."""
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2 if at is None else at, 0, *size))
    return image


def exif(orientation: int) -> Image.Exif:
    """EXIF data with an orientation alone."""
    made = Image.Exif()
    made[ORIENTATION] = orientation
    return made


def stored(upright: Image.Image, orientation: int) -> Image.Image:
    """As a camera held in that way stores the picture."""
    treatment = TREATMENTS[orientation]
    return upright if treatment is None else upright.transpose(treatment)


def opened(preview: Preview) -> Image.Image:
    """The preview as Pillow sees it, decoded, after its description was held against it."""
    image = Image.open(io.BytesIO(preview.data))
    image.load()
    assert image.size == (preview.width, preview.height)
    assert image.get_format_mimetype() == preview.content_type
    return image


def rendered(data: bytes, **fields: Any) -> Image.Image:
    """The preview by these fields of a spec, opened."""
    return opened(resize(data, Spec(**fields)))


def colour(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """The channels of a pixel of an image that has several."""
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def pixels(image: Image.Image) -> NDArray[np.int16]:
    """RGB values with a sign, ready to be subtracted."""
    return np.asarray(image.convert("RGB")).astype(np.int16)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two images of the same size, 0 to 255."""
    return float(np.abs(pixels(one) - pixels(other)).mean())


def furthest(given: ArrayLike, wanted: ArrayLike) -> int:
    """The largest difference of any channel, of one colour or of many."""
    return int(np.abs(np.subtract(given, wanted, dtype=np.int16)).max())
