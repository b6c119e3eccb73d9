"""HEIC as phones write it, encoded here by libheif and x265, decoded by the function's own libraries."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from lambda_resize.errors import Corrupt, TooLarge
from lambda_resize.resize import resize
from lambda_resize.settings import Limits
from prewmanager_presets import Spec
from tests.lambda_resize.hostile import heifs
from tests.lambda_resize.pictures import colour, difference, exif, furthest, halves, noise, rendered, stored

decoded = partial(rendered, width=40, format="png")


def heic(image: Image.Image, **options: Any) -> bytes:
    """Return the picture as a HEIC file."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, **{"quality": 90, "chroma": 444} | options)
    return buffer.getvalue()


@pytest.mark.parametrize("width", [64, 70, 101])
def test_a_heic_photo_is_decoded_to_the_last_pixel(width: int) -> None:
    """At any width, although rows are padded."""
    image = decoded(heic(halves("RGB", (width, 50), "red", "blue")), width=width)
    assert image.size == (width, 50)
    for x, painted in {1: (255, 0, 0), width - 2: (0, 0, 255)}.items():
        assert furthest(colour(image, x, 25), painted) < 12


def test_a_panorama_of_a_phone_has_hundreds_of_tiles() -> None:
    """Libvips refuses more than 256 items, and the largest photos of phones have as many."""
    data, properties = heifs.coded(64, 64, kind=b"hvc1")
    canvas = (20 * 64 - 2, 20 * 64 - 2)
    whole = heifs.Part(b"grid", canvas, heifs.grid(20, 20, canvas), made_of=range(2, 402))
    image = decoded(heifs.heif([whole, *[heifs.Part(b"hvc1", (64, 64), data, properties)] * 400], b"heic"))
    assert image.size == (40, 40)
    assert furthest(colour(image, 39, 39), (255, 0, 0)) < 12


def test_keep_renders_heic_as_avif() -> None:
    """Browsers do not show HEIC, and AVIF is related to it."""
    assert resize(heic(Image.new("RGB", (64, 64))), Spec(width=20)).content_type == "image/avif"


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_heic_rotation_is_applied_once(orientation: int) -> None:
    """It is in the container, and again in the EXIF data of phones."""
    held = stored(halves("RGB", (120, 60), "red", "blue"), orientation)
    image = decoded(heic(held, exif=exif(orientation).tobytes()))
    assert image.size == (40, 20)
    assert colour(image, 5, 10)[0] > 200
    assert colour(image, 35, 10)[2] > 200


def test_transparency_is_kept_and_a_profile_converted() -> None:
    """The profile is Lab's identity, which would change the numbers."""
    clear = Image.new("RGBA", (64, 64), (0, 0, 255, 0))
    assert colour(decoded(heic(clear)), 20, 20)[3] == 0
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = Image.new("RGB", (64, 64), (200, 100, 50))
    assert furthest(colour(decoded(heic(plain, icc_profile=profile)), 20, 20), (200, 100, 50)) < 8


def test_ten_bits_of_newer_phones_become_eight() -> None:
    deep = np.full((64, 64, 3), 0x8000, dtype=np.uint16)
    file = pillow_heif.from_bytes(mode="RGB;16", size=(64, 64), data=deep.tobytes())
    buffer = io.BytesIO()
    file.save(buffer, quality=90)
    assert furthest(colour(decoded(buffer.getvalue()), 10, 10), (128, 128, 128)) < 4


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_truncated_heic_is_corrupt(part: float) -> None:
    """Damage within its pixels goes unnoticed: the decoder shows what it can."""
    data = heic(noise())
    with pytest.raises(Corrupt):
        resize(data[: int(len(data) * part)], Spec(width=20))


def test_a_large_heic_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(TooLarge, match="to be decoded whole"):
        resize(heic(Image.new("RGB", (100, 100)), chroma=420), Spec(width=20), Limits(max_frame_pixels=9_999))


def test_a_real_photo_as_heic_is_like_the_same_as_jpeg(real_photos: Path) -> None:
    photo = Image.open(real_photos / "orientation-landscape-1.jpg").convert("RGB")
    photo.thumbnail((600, 600))  # x265 needs half a minute for all of it
    ours = decoded(heic(photo), width=200)
    assert difference(ours, photo.resize(ours.size, Image.Resampling.LANCZOS)) < 4
