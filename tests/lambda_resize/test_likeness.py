"""A preset's `target`: the quality is found for each photo, by what the preview looks like."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import pytest
import pyvips
from PIL import Image, ImageFilter, ImageOps

from lambda_resize import likeness, similarity
from lambda_resize.resize import resize
from lambda_resize.similarity import Reference
from prewmanager_presets import Preset, Spec
from tests.lambda_resize.pictures import encode, noise

FORMATS = ("jpeg", "webp", "avif")


def _photo(blur: float) -> Image.Image:
    """Soft noise of a dull colour, as photos have it; the less blur, the worse it looks at one quality."""
    grey = noise().resize((320, 240), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(blur)).convert("L")
    return ImageOps.colorize(grey, "#10131f", "#f5ecd9")


SOFT, SHARP = (encode(_photo(blur), "PNG") for blur in (2, 0.6))


def _made(photo: bytes, **fields: Any) -> bytes:
    return resize(photo, Spec(**{"width": 320} | fields)).data


def _score(photo: bytes, preview: bytes) -> float:
    return Reference(pyvips.Image.new_from_buffer(photo, "").copy_memory()).score(preview)


@pytest.mark.parametrize("target", FORMATS)
def test_the_estimate_rises_with_quality_up_to_that_of_equal_pixels(target: str) -> None:
    scores = [_score(SHARP, _made(SHARP, format=target, **{f"{target}_quality": each})) for each in (20, 50, 75, 95)]

    assert scores == sorted(scores)
    assert scores[0] < 70
    assert 85 < scores[-1] < _score(SHARP, _made(SHARP, format="png")) < 95


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("wanted", [60, 80])
def test_photos_that_differ_get_the_same_score_by_other_qualities(target: str, wanted: int) -> None:
    previews = {photo: _made(photo, format=target, target=str(wanted)) for photo in (SOFT, SHARP)}
    plain = {photo: _score(photo, _made(photo, format=target)) for photo in previews}
    found = {photo: _score(photo, preview) for photo, preview in previews.items()}

    assert abs(plain[SOFT] - plain[SHARP]) > 2
    assert found == {photo: pytest.approx(wanted, abs=2.5) for photo in previews}


@pytest.mark.parametrize("target", ["webp", "avif"])
def test_a_preview_has_the_score_of_its_jpeg(target: str) -> None:
    for photo in (SOFT, SHARP):
        jpeg = _score(photo, _made(photo, format="jpeg", quality=70))

        assert _score(photo, _made(photo, format=target, target="q70")) == pytest.approx(jpeg, abs=2.5)


def test_a_jpeg_as_a_jpeg_has_that_quality() -> None:
    preset = Preset(width=320, format="jpeg", target="q70", quality=30)

    assert _made(SHARP, **preset.spec) == _made(SHARP, **Preset(width=320, format="jpeg", quality=70).spec)


@pytest.mark.parametrize(
    ("photo", "fields"),
    [
        (SHARP, {"format": "png"}),
        (SHARP, {"format": "jpeg", "width": similarity.MIN_SIDE}),
        (SHARP, {"format": "jpeg", "width": 1700, "enlarge": True}),
    ],
    ids=["png", "small", "large"],
)
def test_what_is_not_searched_has_its_plain_quality(photo: bytes, fields: dict[str, Any]) -> None:
    assert _made(photo, **fields, target="45") == _made(photo, **fields)


def test_what_moves_has_its_plain_quality() -> None:
    first, second = _photo(3), _photo(1)
    buffer = io.BytesIO()
    first.save(buffer, "WEBP", save_all=True, append_images=[second])
    fields = {"format": "webp", "animated": True}

    assert _made(buffer.getvalue(), **fields, target="45") == _made(buffer.getvalue(), **fields)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
@pytest.mark.parametrize("target", FORMATS)
def test_grey_and_transparent_pictures_are_searched_too(mode: str, target: str) -> None:
    photo = encode(_photo(1).convert(mode), "PNG")

    assert len(_made(photo, format=target, target="50")) < len(_made(photo, format=target, target="85"))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_the_estimate_does_not_depend_on_how_many_bits_an_avif_has(mode: str) -> None:
    photo = encode(_photo(1).convert(mode), "PNG")
    made = [_made(photo, format="avif", avif_quality=60, avif_bitdepth=bits) for bits in ("8", "10")]

    assert _score(photo, made[1]) == pytest.approx(_score(photo, made[0]), abs=3)


def test_a_limit_in_bytes_counts_more_than_the_score() -> None:
    best = len(_made(SHARP, format="jpeg", target="85"))

    assert len(_made(SHARP, format="jpeg", target="85", max_bytes=best)) == best
    assert len(_made(SHARP, format="jpeg", target="85", max_bytes=best * 2 // 3)) <= best * 2 // 3


@pytest.mark.parametrize(
    "score",
    [
        lambda quality: quality * 0.6 + 25,
        lambda quality: 20 * math.log(quality) - 10,
        lambda quality: 90 + quality / 100,
        lambda quality: quality - 40,
        lambda _quality: 30,
    ],
    ids=["even", "bent", "too good", "bad", "the same"],
)
@pytest.mark.parametrize("wanted", [40, 75, 90])
def test_few_qualities_are_tried_for_any_photo(score: Callable[[int], float], wanted: float) -> None:
    tried: list[int] = []

    def measured(quality: int) -> float:
        tried.append(quality)
        return score(quality)

    found = likeness.search(measured, wanted, likeness.MAX_ENCODINGS, lambda: math.inf)

    assert len(tried) == len(set(tried)) <= likeness.MAX_ENCODINGS
    best = min(range(20, 99), key=lambda quality: abs(score(quality) - wanted))
    assert abs(score(found) - wanted) <= max(1.0, abs(score(best) - wanted))


def test_where_the_time_is_short_one_quality_is_tried() -> None:
    tried: list[int] = []

    def measured(quality: int) -> float:
        tried.append(quality)
        return 10.0

    found = likeness.search(measured, 80, 5, lambda: 0.0)

    assert tried == [found]
