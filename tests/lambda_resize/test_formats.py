"""Formats and colours: input, output, and the conversion of transparency, CMYK, grey and 16 bits."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from lambda_resize import codecs, finishing
from lambda_resize.resize import resize
from prewmanager_presets import Spec
from prewmanager_presets.qualities import DEFAULT_QUALITIES
from tests.lambda_resize.pictures import colour, difference, encode, furthest, halves, noise, opened, pixels, rendered

SOURCES = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF"]
KEPT = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp", "GIF": "png", "TIFF": "jpeg", "AVIF": "avif"}


result = partial(rendered, width=20)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("target", ["keep", "jpeg", "png", "webp", "avif"])
def test_each_format_is_converted_to_each_other(source: str, target: str) -> None:
    preview = resize(encode(Image.new("RGB", (80, 40), (200, 100, 50)), source), Spec(width=20, format=target))
    expected = KEPT[source] if target == "keep" else target
    image = opened(preview)
    assert (preview.content_type, image.format, image.size) == (f"image/{expected}", expected.upper(), (20, 10))
    assert furthest(pixels(image), (200, 100, 50)) <= 6


@pytest.mark.parametrize(
    ("source", "kept"), [("PNG", "PNG"), ("WEBP", "WEBP"), ("GIF", "PNG"), ("TIFF", "PNG"), ("AVIF", "AVIF")]
)
def test_transparency_is_kept(source: str, kept: str) -> None:
    image = result(encode(halves("RGBA", (40, 40), (0, 0, 255, 255), (0, 0, 255, 0)), source))
    assert image.format == kept
    alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
    assert alpha[:, :8].min() > 250
    assert alpha[:, 12:].max() < 5


@pytest.mark.parametrize(("background", "expected"), [("#ffffff", (255, 255, 255)), ("#ff8000", (255, 128, 0))])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_in_jpeg_transparency_becomes_the_background(mode: str, background: str, expected: tuple[int, ...]) -> None:
    clear = encode(Image.new(mode, (40, 40), 0), "PNG")
    image = result(clear, format="jpeg", background=background).convert("RGB")
    assert furthest(colour(image, 10, 10), expected) <= 3


def test_padding_is_opaque() -> None:
    image = result(encode(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG"), width=60, height=40, fit="contain")
    assert colour(image, 0, 20) == (255, 255, 255, 255)
    assert colour(image, 30, 20)[3] == 0


def test_colours_do_not_bleed_out_of_transparency() -> None:
    """Scaling weights colours by opacity, so a white shape gets no dark rim."""
    photo = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    photo.paste((255, 255, 255, 255), (21, 21, 58, 58))
    values = np.asarray(result(encode(photo, "PNG")))
    assert values[values[:, :, 3] > 20][:, :3].min() > 250


@pytest.mark.parametrize("source", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(source: str) -> None:
    """Without a profile: cyan is blue and green, with little red."""
    image = result(encode(Image.new("CMYK", (40, 40), (255, 0, 0, 0)), source))
    red, green, blue = colour(image, 10, 10)
    assert image.mode == "RGB"
    assert red < 60
    assert 140 < green < blue


def test_cmyk_with_a_profile_matches_a_reference_conversion(real_photos: Path) -> None:
    """LittleCMS through Pillow, with a mean CIE76 delta E below 3."""
    path = real_photos / "cmyk-with-profile.jpg"
    ours = result(path.read_bytes(), width=200, format="png").convert("RGB")
    photo = Image.open(path)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(photo.info["icc_profile"]))
    srgb = ImageCms.createProfile("sRGB")
    small = photo.resize(ours.size, Image.Resampling.LANCZOS)
    theirs = ImageCms.profileToProfile(small, profile, srgb, outputMode="RGB")
    one, other = (pyvips.Image.new_from_array(np.asarray(each)).copy(interpretation="srgb") for each in (ours, theirs))
    assert one.dE76(other).avg() < 3


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_ycck_becomes_rgb(real_photos: Path, options: dict[str, Any]) -> None:
    """CMYK stored as luma and chroma, as print software does, inverted or not: the sky is no negative."""
    photo = Image.open(real_photos / "cmyk-with-profile.jpg")
    again = encode(photo, "JPEG", quality=90, icc_profile=photo.info["icc_profile"], **options)
    direct = (real_photos / "cmyk-with-profile.jpg").read_bytes()
    assert difference(*(result(each, width=100, format="png") for each in (again, direct))) < 4


def test_a_profile_is_converted_and_dropped() -> None:
    """A green in Display P3 gets sRGB's numbers, since the preview has no profile."""
    green = pyvips.Image.black(60, 60).new_from_image([60, 200, 90])
    wide = green.cast("uchar").copy(interpretation="srgb").icc_transform("p3", input_profile="srgb")
    stored = wide.pngsave_buffer(profile="p3")
    image = result(stored)
    assert furthest(colour(Image.open(io.BytesIO(stored)), 5, 5), (60, 200, 90)) > 10
    assert furthest(colour(image, 5, 5), (60, 200, 90)) <= 2
    assert "icc_profile" not in image.info


def test_a_broken_profile_is_ignored() -> None:
    image = result(encode(Image.new("RGB", (40, 40), (9, 99, 199)), "PNG", icc_profile=b"none" * 40))
    assert image.getpixel((5, 5)) == (9, 99, 199)


def test_grey_stays_grey() -> None:
    grey = encode(Image.new("L", (40, 40), 100), "PNG")
    assert result(grey).mode == "L"
    assert result(grey, width=60, height=40, fit="contain").mode == "L"
    coloured = result(grey, width=60, height=40, fit="contain", background="#ff0000")
    assert (coloured.getpixel((0, 0)), coloured.getpixel((30, 20))) == ((255, 0, 0), (100, 100, 100))


@pytest.mark.parametrize(("bands", "space", "mode"), [(1, "grey16", "L"), (3, "rgb16", "RGB"), (4, "rgb16", "RGBA")])
def test_16_bits_become_8(bands: int, space: str, mode: str) -> None:
    deep = (pyvips.Image.black(40, 40, bands=bands) + 0x8000).cast("ushort").copy(interpretation=space)
    image = result(deep.pngsave_buffer())
    assert image.mode == mode
    assert np.asarray(image).dtype == np.uint8
    assert furthest(np.asarray(image), 128) <= 1


def test_a_palette_and_a_bitmap_are_read() -> None:
    assert result(encode(Image.new("P", (40, 40)), "PNG")).mode == "RGB"
    assert result(encode(Image.new("1", (40, 40)), "TIFF", compression="group4"), format="png").mode == "L"


def test_an_animation_becomes_its_first_frame() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue", "lime")]
    for source in ("GIF", "WEBP"):
        animation = encode(frames[0], source, save_all=True, append_images=frames[1:], lossless=True)
        image = result(animation, format="png")
        assert (image.size, image.convert("RGB").getpixel((9, 9))) == ((20, 20), (255, 0, 0))


@pytest.mark.parametrize("target", ["jpeg", "webp", "avif"])
def test_quality_has_a_default_and_makes_a_difference(target: str) -> None:
    photo = encode(noise(), "PNG")
    sizes = [len(resize(photo, Spec(width=100, format=target, quality=q)).data) for q in (20, 95)]
    assert sizes[0] < sizes[1]
    default = DEFAULT_QUALITIES[target]
    one, other = (resize(photo, Spec(width=100, format=target, quality=each)) for each in (None, default))
    assert one == other


@pytest.mark.parametrize(("target", "most"), [("webp", 6), ("avif", 9)])
def test_effort_has_a_default_and_makes_a_difference(target: str, most: int) -> None:
    photo = encode(noise().resize((200, 200), Image.Resampling.BICUBIC), "PNG")
    fields: dict[int | None, dict[str, Any]] = {each: {f"{target}_effort": each} for each in (None, 0, 1, most)}
    made = {each: resize(photo, Spec(width=100, format=target, **own)).data for each, own in fields.items()}

    assert made[None] == made[1]
    assert len(set(made.values())) == 3


def test_a_png_ignores_quality() -> None:
    photo = encode(noise(), "PNG")
    assert resize(photo, Spec(width=50)) == resize(photo, Spec(width=50, quality=1))


def test_jpeg_is_baseline_with_subsampled_chroma() -> None:
    """As in sharp: 4:2:0 even at qualities where libvips defaults to 4:4:4."""
    data = resize(encode(noise(), "PNG"), Spec(width=100, format="jpeg", quality=95)).data
    stored = pyvips.Image.new_from_buffer(data, "")
    assert stored.get("jpeg-chroma-subsample") == "4:2:0"
    assert "progressive" not in Image.open(io.BytesIO(data)).info


def test_a_formats_own_quality_goes_before_the_common_one() -> None:
    spec = Spec(width=1, quality=70, avif_quality=40)

    assert [codecs.quality(spec, target) for target in ("avif", "webp", "jpeg", "png")] == [40, 70, 70, 70]
    assert codecs.quality(Spec(width=1, avif_quality=40), "jpeg") is None


def test_effort_belongs_to_one_format() -> None:
    spec = Spec(width=1, webp_effort=0)

    assert [codecs.effort(spec, target) for target in ("webp", "avif", "jpeg", "png")] == [0, 1, 0, 0]


def test_the_background_is_read_as_red_green_blue() -> None:
    assert finishing.background_rgb(Spec(width=1, background="#fF8001")) == (255, 128, 1)
