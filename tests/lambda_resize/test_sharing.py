"""One decoding for several previews, and the exact size and position of what the decoder returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lambda_resize.errors import Corrupt, TooLarge, Unsupported
from lambda_resize.preview import Preview
from lambda_resize.resize import resize, resize_many
from lambda_resize.sources import Photo
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import difference, encode, exif, gradient, noise, opened, rendered


@pytest.fixture(name="openings")
def _openings(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of each opening of an image."""
    calls: list[dict[str, Any]] = []
    real = Photo.open

    def counted(photo: Photo, **options: Any) -> Any:
        calls.append(options)
        return real(photo, **options)

    monkeypatch.setattr(Photo, "open", counted)
    return calls


def test_several_previews_share_one_decoding(openings: list[dict[str, Any]]) -> None:
    photo = encode(gradient(1600, 1000), "JPEG")
    specs = [Spec(width=400), Spec(width=100), Spec(width=60, height=60), Spec(height=90, format="webp")]
    previews = list(resize_many(photo, specs))
    assert openings == [{}, {"shrink": 2}]
    sizes = [(each.width, each.height) for each in previews if isinstance(each, Preview)]
    assert sizes == [(400, 250), (100, 63), (60, 60), (144, 90)]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"])
def test_shared_previews_equal_those_rendered_alone_in_each_format(file_format: str) -> None:
    photo = encode(gradient(500, 300), file_format)
    specs = [Spec(width=200, format="png"), Spec(width=50, height=50, format="png"), Spec(width=99, format="png")]
    for spec, shared in zip(specs, resize_many(photo, specs), strict=True):
        assert isinstance(shared, Preview)
        assert difference(opened(shared), opened(resize(photo, spec))) < 1


def test_one_preview_is_decoded_as_it_is_saved(openings: list[dict[str, Any]]) -> None:
    list(resize_many(encode(Image.new("RGB", (90, 60)), "PNG"), [Spec(width=20)]))
    assert openings == [{}]


def test_a_preview_with_other_options_is_decoded_separately() -> None:
    half = encode(noise(), "JPEG")[:-4000]
    strict, lenient = resize_many(half, [Spec(width=50), Spec(width=50, best_effort=True)])
    assert isinstance(strict, Corrupt)
    assert isinstance(lenient, Preview)


def test_an_impossible_preview_yields_its_error_and_leaves_the_others() -> None:
    line = encode(Image.new("L", (1, 10_000)), "PNG")
    first, second = resize_many(line, [Spec(width=10_000, enlarge=True), Spec(height=100)])
    assert isinstance(first, TooLarge)
    assert isinstance(second, Preview)


def test_what_is_no_photo_is_unsupported_for_each_preview() -> None:
    assert all(isinstance(each, Unsupported) for each in resize_many(b"text", [Spec(width=1), Spec(width=2)]))


@pytest.mark.parametrize("width", [720, 400, 300, 200, 113])
def test_shrinking_on_load_shifts_the_photo_by_no_fraction_of_a_pixel(real_photos: Path, width: int) -> None:
    """A decoder that halves 2725x2225 drops the last half pixel; the rest keeps its place."""
    path = real_photos / "landscape-2725x2225.jpg"
    made = rendered(path.read_bytes(), width=width, format="png")
    assert difference(made, Image.open(path).resize(made.size, Image.Resampling.LANCZOS)) < 2


@pytest.mark.parametrize("size", [(1001, 999), (1003, 750), (1007, 1007), (997, 331)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_odd_sizes_are_exact_to_the_pixel(size: tuple[int, int], orientation: int) -> None:
    photo = encode(gradient(*size, "L"), "JPEG", exif=exif(orientation))
    width, height = size if orientation == 1 else size[::-1]
    for wanted in (90, 111, 123, 124, 125, 249, 250, 300):
        preview = resize(photo, Spec(width=wanted))
        assert (preview.width, preview.height) == (wanted, max(1, int(height * wanted / width + 0.5)))
