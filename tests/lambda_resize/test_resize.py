"""The image core: exact sizes, upright, sRGB, no metadata, and the position of cuts and padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from lambda_resize.geometry import Size, plan
from lambda_resize.resize import resize
from lambda_resize.scaling import shrink_on_load
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import (
    ORIENTATION,
    TREATMENTS,
    difference,
    encode,
    exif,
    gradient,
    noise,
    opened,
    pixels,
    rendered,
    stored,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def stripes(width: int, height: int, *, across: bool) -> Image.Image:
    """Return red, green and blue stripes, side by side or stacked."""
    image = Image.new("RGB", (width, height), GREEN)
    draw = ImageDraw.Draw(image)
    third, right, bottom = (width if across else height) // 3, width - 1, height - 1
    draw.rectangle((0, 0, third - 1, bottom) if across else (0, 0, right, third - 1), RED)
    draw.rectangle((width - third, 0, right, bottom) if across else (0, height - third, right, bottom), BLUE)
    return image


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_result_has_the_planned_size(data: st.DataObject) -> None:
    size = Size(data.draw(st.integers(1, 400)), data.draw(st.integers(1, 400)))
    fit = data.draw(st.sampled_from(["cover", "contain", "fill", "inside", "outside"]))
    box = data.draw(st.tuples(st.none() | st.integers(1, 200), st.integers(1, 200)))
    # PNG, because a line enlarged to its box's width may exceed WebP's height.
    spec = Spec(width=box[0], height=box[1], fit=fit, enlarge=data.draw(st.booleans()), format="png")
    photo = encode(Image.new("RGB", size, RED), data.draw(st.sampled_from(["JPEG", "PNG", "WEBP"])))
    assert opened(resize(photo, spec)).size == plan(size, spec).result


@pytest.mark.parametrize("orientation", TREATMENTS)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    "spec",
    [
        Spec(width=60, format="png"),
        Spec(width=50, height=50, position="left top", format="png"),
        Spec(width=100, height=40, fit="fill", format="png"),
    ],
    ids=["width", "cover", "fill"],
)
def test_each_orientation_is_turned_upright(orientation: int, file_format: str, spec: Spec) -> None:
    photo = stripes(330, 240, across=True)
    ImageDraw.Draw(photo).rectangle((20, 30, 60, 200), WHITE)
    options = {"lossless": True} if file_format == "WEBP" else {"quality": 95}
    held = encode(stored(photo, orientation), file_format, exif=exif(orientation), **options)
    tagged = opened(resize(held, spec))
    untouched = opened(resize(encode(photo, "PNG"), spec))
    assert tagged.size == untouched.size
    assert difference(tagged, untouched) < 3
    assert ORIENTATION not in tagged.getexif()


@pytest.mark.parametrize("value", [0, 9])
def test_an_orientation_out_of_range_is_ignored(value: int) -> None:
    """Cameras write these when they do not know the orientation."""
    photo = encode(Image.new("RGB", (60, 30)), "JPEG", exif=exif(value))
    assert rendered(photo, width=30).size == (30, 15)


def test_real_photos_come_out_upright_exact_and_bare(real_photos: Path) -> None:
    for path in sorted(real_photos.glob("*.jpg")):
        image = rendered(path.read_bytes(), width=200)
        assert (image.format, image.mode, image.width) == ("JPEG", "RGB", 200), path.name
        assert not {"exif", "icc_profile", "xmp", "comment"} & image.info.keys(), path.name


def test_real_photos_are_alike_in_each_orientation(real_photos: Path) -> None:
    """One scene stored in four orientations gives one preview, except for JPEG's losses."""
    for scene, others in {"landscape": (3, 6, 8), "portrait": (6,)}.items():
        spec = Spec(width=200, height=200, fit="inside", format="png")
        plain = opened(resize((real_photos / f"orientation-{scene}-1.jpg").read_bytes(), spec))
        for other in others:
            turned = opened(resize((real_photos / f"orientation-{scene}-{other}.jpg").read_bytes(), spec))
            assert turned.size == plain.size
            assert difference(turned, plain) < 5


@pytest.mark.parametrize("file_format", ["jpeg", "png", "webp", "avif"])
def test_metadata_is_dropped(file_format: str) -> None:
    data = exif(1)
    data[0x010F] = "a camera"
    data.get_ifd(0x8825)[1] = "N"
    photo = encode(Image.new("RGB", (90, 60)), "JPEG", exif=data, xmp=b"<x:xmpmeta/>", comment=b"a comment")
    preview = resize(photo, Spec(width=30, format=file_format))
    image = opened(preview)
    assert not {"exif", "icc_profile", "xmp", "comment"} & image.info.keys()
    assert not image.getexif()
    assert b"a camera" not in preview.data


@pytest.mark.parametrize(
    ("factor", "expected"), [(1.0, 1), (2.9, 1), (3, 2), (4.9, 2), (5, 4), (8.9, 4), (9, 8), (100, 8)]
)
def test_the_decoder_shrinks_as_far_as_quality_allows(factor: float, expected: int) -> None:
    """A JPEG is shrunk on load by n from a factor of n + 1, for the side that shrinks less."""
    assert shrink_on_load(Size(round(1000 * factor), 90_000), Size(1000, 1000)) == expected
    assert shrink_on_load(Size(90_000, round(1000 * factor)), Size(1000, 1000)) == expected


@pytest.mark.parametrize("width", [1024, 500, 341, 340, 250, 200, 113, 50])
def test_shrinking_on_load_keeps_the_picture(width: int) -> None:
    photo = gradient(1024, 1000)
    files = encode(photo, "JPEG", quality=95), encode(photo, "PNG")
    assert difference(*(rendered(each, width=width, format="png") for each in files)) < 2


@pytest.mark.parametrize(
    ("across", "position", "kept"),
    [
        (True, "left", RED),
        (True, "left top", RED),
        (True, "centre", GREEN),
        (True, "right", BLUE),
        (True, "top", GREEN),
        (False, "top", RED),
        (False, "centre", GREEN),
        (False, "right bottom", BLUE),
    ],
)
def test_cover_keeps_the_part_at_its_position(position: str, kept: tuple[int, int, int], *, across: bool) -> None:
    photo, box = ((300, 100), (40, 80)) if across else ((100, 300), (80, 40))
    image = rendered(encode(stripes(*photo, across=across), "PNG"), width=box[0], height=box[1], position=position)
    assert image.getpixel((box[0] // 2, box[1] // 2)) == kept


@pytest.mark.parametrize(("width", "height"), [(5, 2), (2, 5)])
def test_the_odd_pixel_of_a_centred_cut_is_lost_at_the_left_and_the_top(width: int, height: int) -> None:
    """As in sharp: of three excess pixels two are cut there, one at the other end."""
    ramp = Image.fromarray(np.arange(width * height, dtype=np.uint8).reshape(height, width) * 25)
    kept = np.asarray(rendered(encode(ramp, "PNG"), width=2, height=2, format="png"))
    left, top = (2, 0) if width > height else (0, 2)
    assert (kept == np.asarray(ramp)[top : top + 2, left : left + 2]).all()


@pytest.mark.parametrize("position", ["attention", "entropy"])
def test_cover_by_content_keeps_the_detail(position: str) -> None:
    photo = Image.new("RGB", (900, 200), (40, 40, 60))
    photo.paste(noise().crop((0, 0, 150, 200)), (750, 0))
    assert pixels(rendered(encode(photo, "PNG"), width=100, height=100, position=position)).std() > 20


@pytest.mark.parametrize(("position", "box"), [("left", (0, 40)), ("centre", (30, 70)), ("right bottom", (60, 100))])
def test_contain_pads_with_the_background(position: str, box: tuple[int, int]) -> None:
    spec = Spec(width=100, height=40, fit="contain", position=position, background="#ff0000", format="png")
    image = opened(resize(encode(Image.new("RGB", (80, 80), BLUE), "PNG"), spec))
    row = [image.getpixel((x, 20)) for x in range(100)]
    assert row == [BLUE if box[0] <= x < box[1] else RED for x in range(100)]


def test_contain_does_not_enlarge_unless_asked() -> None:
    photo = encode(Image.new("RGB", (10, 10), BLUE), "PNG")
    for enlarge, covered in ((False, 100), (True, 400)):
        image = rendered(photo, width=40, height=20, fit="contain", enlarge=enlarge)
        assert (image.size, (pixels(image) == BLUE).all(axis=2).sum()) == ((40, 20), covered)


@pytest.mark.parametrize("width", [300, 500, 599, 700])
def test_a_webp_is_scaled_without_false_rings(width: int) -> None:
    """Of a zone plate, whose lines get finer outwards; the box filter of WebP's decoder alone differs by 8 to 12."""
    y, x = np.mgrid[-600:600, -600:600]
    plate = Image.fromarray((127.5 + 127.5 * np.cos(np.pi * (x**2 + y**2) / 1200)).astype(np.uint8)).convert("RGB")
    data = encode(plate, "WEBP", quality=95)
    ours = rendered(data, width=width, format="png")
    assert difference(ours, plate.resize(ours.size, Image.Resampling.LANCZOS)) < 5
