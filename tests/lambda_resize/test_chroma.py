"""Efforts of JPEG and PNG, and the resolution of colour, as the encoders' files say."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageDraw, ImageFilter

from lambda_resize import chroma, codecs
from lambda_resize.resize import resize
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import encode, noise

RED, BLUE = "#ff0000", "#0000ff"


def _text(ink: str, paper: str) -> bytes:
    """A page of text in two colours, 201 x 151."""
    page = Image.new("RGB", (201, 151), paper)
    draw = ImageDraw.Draw(page)
    for line in range(10):
        draw.text((5, 5 + 14 * line), "The quick brown fox jumps over it", fill=ink)
    return encode(page, "PNG")


def _soft() -> bytes:
    """A picture of soft noise, as photos have it."""
    return encode(noise().resize((400, 300), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(4)), "PNG")


def _grainy() -> bytes:
    return encode(noise().resize((400, 300), Image.Resampling.BICUBIC), "PNG")


def _made(photo: bytes, **fields: Any) -> bytes:
    wanted: dict[str, Any] = {"width": 201, "format": "jpeg"} | fields
    return resize(photo, Spec(**wanted)).data


def _subsampling(jpeg: bytes) -> str:
    return str(pyvips.Image.new_from_buffer(jpeg, "").get("jpeg-chroma-subsample"))


@pytest.mark.parametrize(
    ("photo", "wanted"),
    [
        (_text(RED, BLUE), "4:4:4"),
        (_text(RED, "white"), "4:4:4"),
        (_text("#222222", "white"), "4:2:0"),
        (_soft(), "4:2:0"),
    ],
    ids=["red on blue", "red on white", "grey text", "photo"],
)
def test_colour_is_whole_where_the_picture_has_fine_coloured_detail(photo: bytes, wanted: str) -> None:
    assert _subsampling(_made(photo, chroma="auto")) == wanted


@pytest.mark.parametrize(("word", "wanted"), [("420", "4:2:0"), ("444", "4:4:4"), (None, "4:2:0")])
def test_the_presets_chroma_goes_before_the_pictures_own(word: str | None, wanted: str) -> None:
    assert _subsampling(_made(_text(RED, BLUE), chroma=word)) == wanted


def test_a_large_picture_is_not_held_in_memory_to_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chroma, "MAX_PIXELS", 201 * 151 - 1)

    assert _subsampling(_made(_text(RED, BLUE), chroma="auto")) == "4:2:0"


def test_a_grey_picture_has_no_colour_to_measure() -> None:
    assert _made(encode(noise().convert("L"), "PNG"), chroma="auto")


@pytest.mark.parametrize("target", ["webp", "avif"])
def test_coloured_text_is_nearer_to_the_photo(target: str) -> None:
    page = _text(RED, BLUE)

    def error(word: str | None) -> float:
        made = Image.open(io.BytesIO(_made(page, format=target, chroma=word, quality=85))).convert("RGB")
        exact = Image.open(io.BytesIO(page))
        return float(np.abs(np.asarray(made, float) - np.asarray(exact, float)).mean())

    assert error("auto") == error("444") < error("420")
    assert error("420") == error(None)


def test_each_effort_of_jpeg_has_fewer_bytes_at_the_same_quality() -> None:
    """0 is sharp's, baseline; the others are progressive, with other tables."""
    photo = _grainy()
    made = [_made(photo, jpeg_effort=effort, quality=80) for effort in (0, 1, 2, 3)]
    pixels = [np.asarray(Image.open(io.BytesIO(each)).convert("L"), float) for each in made]
    errors = [
        float(np.abs(each - np.asarray(Image.open(io.BytesIO(_made(photo, format="png"))).convert("L"))).mean())
        for each in pixels
    ]

    assert made[0] == _made(photo)
    assert ["progressive" in Image.open(io.BytesIO(each)).info for each in made] == [False, True, True, True]
    sizes = list(map(len, made))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[1] < sizes[0]
    assert max(errors) < 1.35 * min(errors)


def test_an_effort_of_png_has_fewer_bytes_and_the_same_pixels() -> None:
    photo = _grainy()
    made = [_made(photo, format="png", png_effort=effort) for effort in (None, 0, 1, 2)]

    assert made[0] == made[1]
    assert len(made[3]) < len(made[1])
    assert len({Image.open(io.BytesIO(each)).tobytes() for each in made}) == 1


@pytest.mark.parametrize("target", ["jpeg", "webp", "avif"])
def test_a_preview_has_no_more_bytes_than_the_preset_says(target: str) -> None:
    photo = _grainy()
    whole, lowest = (len(_made(photo, format=target, **own)) for own in ({"quality": 90}, {"quality": 20}))
    limit = (whole + 2 * lowest) // 3
    made = len(_made(photo, format=target, quality=90, max_bytes=limit))

    assert lowest <= made <= limit
    assert len(_made(photo, format=target, quality=90, max_bytes=whole)) == whole


def test_a_preview_that_cannot_be_small_enough_is_the_smallest() -> None:
    photo = _grainy()

    assert _made(photo, max_bytes=1_000) == _made(photo, quality=20)
    assert _made(photo, format="png", max_bytes=1_000) == _made(photo, format="png")


def test_the_highest_effort_of_webp_has_fewer_bytes_and_no_more_errors() -> None:
    photo = encode(noise().resize((400, 300), Image.Resampling.BICUBIC).convert("L").convert("RGB"), "PNG")
    low, high = (_made(photo, format="webp", quality=80, webp_effort=effort) for effort in (5, 6))
    exact = np.asarray(Image.open(io.BytesIO(_made(photo, format="png"))).convert("L"), float)
    errors = [
        float(np.abs(np.asarray(Image.open(io.BytesIO(each)).convert("L")) - exact).mean()) for each in (low, high)
    ]

    assert len(high) < len(low)
    assert errors[1] < 1.2 * errors[0]


def test_a_slow_effort_of_avif_is_for_previews_of_a_megapixel() -> None:
    photo = encode(noise().resize((1200, 900)), "PNG")
    small, large = ({"format": "avif", "width": width, "avif_quality": 20} for width in (100, 1200))

    assert _made(photo, **small, avif_effort=4) != _made(photo, **small, avif_effort=3)
    assert _made(photo, **large, avif_effort=4) == _made(photo, **large, avif_effort=5)
    assert _made(photo, **large, avif_effort=2) != _made(photo, **large, avif_effort=3)


def test_a_large_avif_has_eight_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    deep, plain = (_made(_soft(), format="avif", avif_bitdepth=bits) for bits in ("10", "8"))
    monkeypatch.setattr(codecs, "DEEP_AVIF_PIXELS", 201 * 150 - 1)

    assert deep != plain == _made(_soft(), format="avif", avif_bitdepth="10")


@pytest.mark.parametrize("mode", ["RGB", "L", "LA", "RGBA"])
def test_an_avif_of_ten_bits_has_the_same_pixels(mode: str) -> None:
    photo = encode(noise().convert("L").resize((201, 150)).convert(mode), "PNG")
    exact = np.asarray(Image.open(io.BytesIO(photo)).convert("RGBA"), float)
    made = [_made(photo, format="avif", avif_quality=90, avif_bitdepth=bits) for bits in ("8", "10")]
    errors = [np.abs(np.asarray(Image.open(io.BytesIO(each)).convert("RGBA")) - exact).mean() for each in made]

    assert made[0] == _made(photo, format="avif", avif_quality=90) != made[1]
    assert errors[1] < errors[0] + 0.5
