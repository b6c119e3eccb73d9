"""What a preset may ask for beyond its size: sharpening, blur, transparency kept, damage overlooked."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lambda_resize.errors import Corrupt
from lambda_resize.resize import resize
from prewmanager_presets import Spec


def made(data: bytes, **fields: Any) -> Image.Image:
    """The preview, decoded."""
    image = Image.open(io.BytesIO(resize(data, Spec(**{"width": 60, "format": "png"} | fields)).data))
    image.load()
    return image


def steepness(image: Image.Image) -> float:
    """The largest step between two neighbours in a row."""
    return float(np.abs(np.diff(np.asarray(image.convert("L")).astype(int), axis=1)).max())


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_sharpening_makes_an_edge_steeper_and_blur_flatter(encode: Any, mode: str) -> None:
    """In each kind of picture, whose kind and size stay as they are."""
    edge = Image.new("L", (120, 60), 60)
    edge.paste(190, (61, 0, 120, 60))
    data = encode(edge.convert(mode), "PNG")
    plain, sharp, blurred = made(data), made(data, sharpen=1.5), made(data, blur=2)
    assert steepness(sharp) > steepness(plain) > steepness(blurred)
    assert {(image.mode, image.size) for image in (plain, sharp, blurred)} == {(mode, (60, 30))}


def test_effects_leave_the_padding_alone(encode: Any) -> None:
    """The background is the background up to the photo's edge."""
    data = encode(Image.new("RGB", (60, 60), "black"), "PNG")
    image = made(data, height=20, fit="contain", blur=5, sharpen=1)
    assert image.convert("RGB").getpixel((19, 10)) == (255, 255, 255)
    assert image.convert("RGB").getpixel((20, 10)) == (0, 0, 0)


def test_a_blur_does_not_bleed_out_of_transparency(encode: Any) -> None:
    """The colour of what is clear is nobody's."""
    picture = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    picture.paste((255, 255, 255, 255), (0, 0, 30, 60))
    pixel = made(encode(picture, "PNG"), blur=3).getpixel((31, 30))
    assert pixel[3] > 20
    assert min(pixel[:3]) > 240


@pytest.mark.parametrize(("alpha", "kept"), [(0, "PNG"), (254, "PNG"), (255, "JPEG")])
def test_transparency_is_kept_where_it_is_real(encode: Any, alpha: int, kept: str) -> None:
    """A picture one can see through becomes no JPEG where the preset says so; an idle alpha channel is no reason."""
    picture = encode(Image.new("RGBA", (120, 60), (200, 100, 50, alpha)), "PNG")
    assert made(picture, format="jpeg", transparent="keep").format == kept
    assert made(picture, format="jpeg").format == "JPEG"
    assert made(picture, format="webp", transparent="keep").format == "WEBP"


def test_keeping_transparency_changes_no_photo(encode: Any, noise: Image.Image) -> None:
    """Without an alpha channel there is nothing to look for."""
    data = encode(noise, "JPEG")
    spec = {"width": 60, "format": "jpeg"}
    assert resize(data, Spec(**spec, transparent="keep")) == resize(data, Spec(**spec))  # type: ignore[arg-type] # see above


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "TIFF"])
def test_as_much_as_there_is(encode: Any, file_format: str) -> None:
    """With `best_effort` an upload that broke off shows its upper part; without, it is corrupt as ever."""
    photo = Image.effect_noise((300, 200), 60).convert("RGB")
    data = encode(photo, file_format)
    half = data[: len(data) * 6 // 10]
    with pytest.raises(Corrupt):
        made(half)
    image = made(half, best_effort=True).convert("L")
    whole = made(data).convert("L")
    assert image.size == (60, 40)
    upper = (0, 0, 60, 8)
    assert np.abs(np.asarray(image.crop(upper)).astype(int) - np.asarray(whole.crop(upper))).mean() < 3


def test_what_cannot_be_begun_is_corrupt_all_the_same(encode: Any, noise: Image.Image) -> None:
    """No effort helps against a header that ends."""
    with pytest.raises(Corrupt):
        made(encode(noise, "PNG")[:20], best_effort=True)
