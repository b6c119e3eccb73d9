"""TIFF: which page is shown, which channels are opacity, and colours in YCbCr."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lambda_resize.containers import tiff as container
from lambda_resize.errors import Unsupported
from lambda_resize.resize import resize
from prewmanager_presets import Spec
from tests.lambda_resize.hostile import tiffs
from tests.lambda_resize.hostile.tiffs import (
    BLACK_WHITE,
    CMYK,
    COEFFICIENTS,
    COMPRESSION,
    DEFLATED,
    EXTRA,
    GREY,
    KIND,
    OLD_KIND,
    PHOTOMETRIC,
    RGB,
    SUBSAMPLING,
    YCBCR,
)
from tests.lambda_resize.pictures import delta_e, difference, furthest, gradient, noise, pixels, rendered

Bytes = NDArray[np.uint8]


def photo(mode: str = "RGB") -> Bytes:
    """Return a picture of 90x60 pixels with an axis for the channels."""
    made = np.asarray(Image.blend(noise(90, 60), gradient(90, 60), 0.7).convert(mode))
    return made.reshape(60, 90, -1)


def with_mask(picture: Bytes, count: int = 1) -> Bytes:
    """Return a picture with further channels, which are zero on the left: a selection of an editor."""
    mask = np.where(np.arange(90) < 45, 0, 255).astype(np.uint8)
    return np.dstack([picture, *[np.tile(mask, (60, 1))] * count])


def shown(data: bytes) -> Image.Image:
    """Return the preview at the file's own width."""
    return rendered(data, width=90, format="png")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("mode", "colours", "count"), [("RGB", RGB, 1), ("RGB", RGB, 2), ("L", GREY, 1), ("L", GREY, 2), ("CMYK", CMYK, 1)]
)
def test_channels_of_no_stated_meaning_are_no_opacity(mode: str, colours: int, count: int, order: str) -> None:
    plain = {PHOTOMETRIC: (colours,)}
    file = tiffs.tiff((with_mask(photo(mode), count), plain | {EXTRA: (0,) * count}), order=order)
    wanted = shown(tiffs.tiff((photo(mode), plain), order=order))
    assert shown(file).mode == wanted.mode
    assert shown(file).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("meaning", [1, 2])
def test_opacity_stays(meaning: int) -> None:
    """Associated, with colours already multiplied by it, or not."""
    picture = with_mask(photo())
    if meaning == 1:
        picture[:, :45, :3] = 0
    found = shown(tiffs.tiff((picture, {PHOTOMETRIC: (RGB,), EXTRA: (meaning,)})))
    assert found.mode == "RGBA"
    assert furthest(np.asarray(found)[..., 3], picture[..., 3]) == 0
    assert furthest(np.asarray(found)[:, 45:, :3], picture[:, 45:, :3]) == 0


@pytest.mark.parametrize("marked", [{KIND: (1,)}, {OLD_KIND: (2,)}, {KIND: (4,)}])
def test_a_reduced_page_or_a_mask_before_the_picture_is_not_shown(marked: dict[int, Any]) -> None:
    small = (photo()[::3, ::3].copy(), {PHOTOMETRIC: (RGB,)} | marked)
    whole = (photo(), {PHOTOMETRIC: (RGB,), KIND: (0,)})
    assert furthest(pixels(shown(tiffs.tiff(small, small, whole))), photo()) == 0
    assert shown(tiffs.tiff(small)).size == (30, 20)
    assert furthest(pixels(shown(tiffs.tiff(whole, small))), photo()) == 0


def test_the_page_that_is_shown_is_the_one_that_is_checked() -> None:
    small = (photo()[::3, ::3].copy(), {PHOTOMETRIC: (RGB,), KIND: (1,)})
    old = (photo(), {PHOTOMETRIC: (RGB,), COMPRESSION: (6,)})
    with pytest.raises(Unsupported, match="1992"):
        resize(tiffs.tiff(small, old), Spec(width=20))
    with pytest.raises(Unsupported, match="1992"):
        resize(tiffs.tiff(old), Spec(width=20))
    assert container.page(tiffs.tiff(small, old)).number == 1


@pytest.mark.parametrize("compression", [1, DEFLATED])
@pytest.mark.parametrize(
    "entries",
    [
        {},
        {COEFFICIENTS: (2126, 7152, 722)},
        {BLACK_WHITE: tuple(each * 10_000 for each in (16, 235, 128, 240, 128, 240))},
    ],
    ids=["plain", "coefficients", "range"],
)
def test_ycbcr_is_shown_as_pillow_does(compression: int, entries: dict[int, Any]) -> None:
    """Libvips would show its numbers as RGB."""
    described = {PHOTOMETRIC: (YCBCR,), SUBSAMPLING: (1, 1), COMPRESSION: (compression,)} | entries
    data = tiffs.tiff((photo("YCbCr"), described))
    with Image.open(io.BytesIO(data)) as theirs:
        assert delta_e(shown(data), theirs) < 1
        assert difference(shown(data), theirs) < 1


def test_damaged_directories_are_left_to_the_decoder() -> None:
    data = tiffs.tiff((photo(), {PHOTOMETRIC: (RGB,)}))
    for length in range(8, 200):
        assert container.page(data[:length]).number == 0


@pytest.mark.parametrize("entries", [{COEFFICIENTS: (2126,)}, {BLACK_WHITE: (0, 2550000)}, {COEFFICIENTS: (0, 0, 0)}])
def test_ycbcr_described_by_halves_is_shown_by_the_standards_numbers(entries: dict[int, Any]) -> None:
    described = {PHOTOMETRIC: (YCBCR,), SUBSAMPLING: (1, 1), COMPRESSION: (DEFLATED,)}
    assert shown(tiffs.tiff((photo("YCbCr"), {**described, **entries}))).size == (90, 60)
