"""Effects of a preset: sharpening, blur, kept transparency, tolerated damage."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from lambda_resize.errors import Corrupt
from lambda_resize.resize import resize
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import colour, difference, encode, halves, noise, rendered

made = partial(rendered, width=60, format="png")


def steepness(image: Image.Image) -> float:
    """Return the largest difference between two neighbours in a row."""
    return float(np.abs(np.diff(np.asarray(image.convert("L")).astype(int), axis=1)).max())


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_sharpening_makes_an_edge_steeper_and_blur_flatter(mode: str) -> None:
    data = encode(halves("L", (120, 60), 60, 190, at=61).convert(mode), "PNG")
    plain, sharp, blurred = made(data), made(data, sharpen=1.5), made(data, blur=2)
    assert steepness(sharp) > steepness(plain) > steepness(blurred)
    assert {(image.mode, image.size) for image in (plain, sharp, blurred)} == {(mode, (60, 30))}


def test_effects_leave_the_padding_alone() -> None:
    data = encode(Image.new("RGB", (60, 60), "black"), "PNG")
    image = made(data, height=20, fit="contain", blur=5, sharpen=1).convert("RGB")
    assert (colour(image, 19, 10), colour(image, 20, 10)) == ((255, 255, 255), (0, 0, 0))


def test_a_blur_does_not_bleed_out_of_transparency() -> None:
    picture = halves("RGBA", (60, 60), (255, 255, 255, 255), (0, 0, 0, 0))
    *colours, opacity = colour(made(encode(picture, "PNG"), blur=3), 31, 30)
    assert opacity > 20
    assert min(colours) > 240


@pytest.mark.parametrize(("alpha", "kept"), [(0, "PNG"), (254, "PNG"), (255, "JPEG")])
def test_real_transparency_prevents_jpeg_and_an_opaque_alpha_channel_does_not(alpha: int, kept: str) -> None:
    picture = encode(Image.new("RGBA", (120, 60), (200, 100, 50, alpha)), "PNG")
    assert made(picture, format="jpeg", transparent="keep").format == kept
    assert made(picture, format="jpeg").format == "JPEG"
    assert made(picture, format="webp", transparent="keep").format == "WEBP"


def test_keeping_transparency_changes_no_photo_without_an_alpha_channel() -> None:
    data = encode(noise(), "JPEG")
    plain = Spec(width=60, format="jpeg")
    assert resize(data, replace(plain, transparent="keep")) == resize(data, plain)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "TIFF"])
def test_best_effort_shows_the_upper_part_of_a_truncated_photo(file_format: str) -> None:
    photo = Image.effect_noise((300, 200), 60).convert("RGB")
    data = encode(photo, file_format)
    half = data[: len(data) * 6 // 10]
    with pytest.raises(Corrupt):
        made(half)
    image, whole = (each.convert("L") for each in (made(half, best_effort=True), made(data)))
    assert image.size == (60, 40)
    upper = (0, 0, 60, 8)
    assert difference(image.crop(upper), whole.crop(upper)) < 3


def test_a_photo_without_any_decodable_row_is_corrupt_in_spite_of_best_effort() -> None:
    with pytest.raises(Corrupt):
        made(encode(noise(), "PNG")[:20], best_effort=True)
