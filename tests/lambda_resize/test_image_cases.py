"""Files of other projects that once came out wrong, pixel by pixel; the tests of each kind make their own samples."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from lambda_resize.errors import Unsupported
from lambda_resize.resize import resize
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import colour, delta_e, furthest, pixels, rendered
from tests.lambda_resize.test_animation import frames


def shown(path: Path, width: int) -> Image.Image:
    """Return the preview of a file at its own width."""
    return rendered(path.read_bytes(), width=width, format="png")


def test_black_ink_is_black(image_cases: Path) -> None:
    assert furthest(pixels(shown(image_cases / "cmyk-k100-no-profile.jpg", 400)), (20, 5, 0)) <= 1


def test_grey_of_a_limited_range_is_that_of_the_full_range(image_cases: Path) -> None:
    full = pixels(shown(image_cases / "mono_full.avif", 256))
    assert furthest(pixels(shown(image_cases / "mono_limited.avif", 256)), full) <= 3
    assert (full.min(), full.max()) == (0, 255)


def test_white_of_hdr_is_white_and_reds_are_red(image_cases: Path) -> None:
    picture = shown(image_cases / "colors_hdr_p3.avif", 200)
    assert furthest(colour(picture, 100, 195), (255, 255, 255)) <= 3
    assert furthest(colour(picture, 5, 40), (255, 0, 0)) <= 8


def test_display_p3_becomes_srgb(image_cases: Path) -> None:
    """By the formulas of both colour spaces."""
    data = (image_cases / "nclx_p3.heic").read_bytes()
    stored = np.asarray(pillow_heif.open_heif(data, convert_hdr_to_8bit=True).to_pillow()).astype(float) / 255
    light = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    across = np.array([[1.22494, -0.22494, 0], [-0.042057, 1.042057, 0], [-0.019638, -0.078636, 1.098274]])
    light = np.clip(light @ across.T, 0, 1)
    wanted = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert furthest(pixels(shown(image_cases / "nclx_p3.heic", 600)), np.rint(wanted * 255).astype(np.int16)) <= 2


def test_ten_bits_of_grey_are_those_of_pillow_heif(image_cases: Path) -> None:
    path = image_cases / "L_10__29x100.heif"
    theirs = np.frombuffer(bytes(pillow_heif.open_heif(path.read_bytes()).data), np.uint16).reshape(100, -1)[:, :29]
    assert furthest(np.asarray(shown(path, 29)), theirs >> 8) <= 1


def test_an_orientation_beside_the_container_is_not_applied(image_cases: Path) -> None:
    assert shown(image_cases / "exif6_noirot.heic", 600).size == (600, 400)


@pytest.mark.parametrize("name", ["ojpeg-tile.tif", "monkey12.jpg"])
def test_what_no_decoder_here_reads_is_unsupported(image_cases: Path, name: str) -> None:
    with pytest.raises(Unsupported):
        resize((image_cases / name).read_bytes(), Spec(width=50))


def test_a_ycbcr_tiff_is_shown_as_pillow_does(image_cases: Path) -> None:
    path = image_cases / "ycbcr_lzw_bt709.tif"
    with Image.open(path) as theirs:
        assert furthest(pixels(shown(path, 601)), pixels(theirs)) <= 1


def test_a_jpeg_that_only_lacks_its_end_is_whole(image_cases: Path) -> None:
    data = (image_cases / "noeoi.jpg").read_bytes()
    with Image.open(io.BytesIO(data + b"\xff\xd9")) as theirs:
        assert furthest(pixels(shown(image_cases / "noeoi.jpg", 600)), pixels(theirs)) <= 2


def test_an_animated_avif_shows_its_first_frame_and_moves_where_it_may(image_cases: Path) -> None:
    path = image_cases / "colors-animated-8bpc.avif"
    still = shown(path, 150)
    with Image.open(path) as theirs:
        assert delta_e(still, theirs) < 1
        count = getattr(theirs, "n_frames", 1)
    moving = frames(resize(path.read_bytes(), Spec(width=150, animated=True, format="webp")).data)
    assert [duration for duration, _ in moving] == [33] * count
    assert (
        furthest([colour for _, colour in moving], [(0, 0, 0), (0, 0, 253), (0, 127, 0), (253, 0, 2), (253, 253, 2)])
        < 8
    )


def test_the_rest_of_a_gifs_canvas_is_transparent(image_cases: Path) -> None:
    """The first frame draws rows 25 to 74."""
    alpha = np.asarray(shown(image_cases / "border_touching_layers.gif", 100))[..., 3]
    drawn = np.zeros((100, 100), np.uint8)
    drawn[25:75] = 255
    assert (alpha == drawn).all()
