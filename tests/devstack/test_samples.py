"""The sample photos: those that render quickly, and the properties of all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from devstack.samples.__main__ import VERSION, are_there, make_group
from devstack.samples.catalogue import GROUPS, enlarged, oriented, transparent
from devstack.samples.noise import plane
from devstack.samples.scene import LIGHTS, render


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_arrow_points_up_in_each_exif_orientation(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "photo.jpg"
    oriented(orientation, 300, 200)(path)
    with Image.open(path) as stored, Image.open(path) as again:
        tag, sides = stored.getexif()[0x0112], stored.size
        shown = np.asarray(ImageOps.exif_transpose(again), np.float32)
    oriented(1, 300, 200)(tmp_path / "upright.jpg")
    with Image.open(tmp_path / "upright.jpg") as upright:
        difference = np.abs(shown - np.asarray(upright, np.float32))[:110].mean()

    assert tag == orientation
    assert sides == ((200, 300) if orientation > 4 else (300, 200))
    # The number below the arrow and the compression differ slightly; a wrong orientation differs by tens.
    assert difference < 6


@pytest.mark.parametrize("light", LIGHTS)
def test_a_scene_has_a_sky_a_lake_and_detail(light: str) -> None:
    picture = render(180, 120, light=LIGHTS[light], seed=1).astype(np.float32)

    assert picture.shape == (120, 180, 3)
    assert picture[:40].mean() > picture[-10:].mean()
    assert np.abs(np.diff(picture, axis=1)).mean() > 1


def test_a_seed_gives_one_picture_to_the_bit_and_another_seed_another() -> None:
    first, second, other = (render(90, 60, light=LIGHTS["day"], seed=seed) for seed in (4, 4, 5))

    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_noise_has_the_requested_size_and_ranges_from_0_to_1() -> None:
    noise = plane(np.random.default_rng(1), (70, 50), (20, 10))

    assert noise.shape == (50, 70)
    assert (float(noise.min()), float(noise.max())) == (0.0, 1.0)


def test_enlarging_doubles_both_sides(tmp_path: Path) -> None:
    enlarged("day", 60, 40, 1)(tmp_path / "large.jpg")
    with Image.open(tmp_path / "large.jpg") as large:
        assert large.size == (120, 80)


def test_the_porthole_is_transparent_outside(tmp_path: Path) -> None:
    transparent(tmp_path / "porthole.png")
    with Image.open(tmp_path / "porthole.png") as picture:
        alpha = np.asarray(picture.getchannel("A"))

    assert (alpha[600, 600], alpha[0, 0]) == (255, 0)
    assert ((alpha > 50) & (alpha < 200)).any()


def test_one_of_each_is_in_the_catalogue() -> None:
    names = [name for group in GROUPS for name in group]

    assert {Path(name).suffix for name in names} == {".jpg", ".png", ".webp", ".avif", ".gif"}
    assert len([name for name in names if name.startswith("orientation/")]) == 8
    assert max(name.count("/") for name in names) > 3
    assert any(all(letter in name for letter in " +%#?,湖") for name in names)
    assert len(names) == len(set(names))


def test_only_a_complete_folder_of_this_version_is_used(tmp_path: Path) -> None:
    before = are_there(tmp_path)
    (tmp_path / ".version").write_text("0")
    other = are_there(tmp_path)
    (tmp_path / ".version").write_text(VERSION)

    assert (before, other, are_there(tmp_path)) == (False, False, True)


def test_a_group_is_written_to_the_catalogues_paths(tmp_path: Path) -> None:
    number = next(number for number, group in enumerate(GROUPS) if "formats/small.png" in group)
    make_group(tmp_path, number)
    for name in GROUPS[number]:
        with Image.open(tmp_path / name) as picture:
            picture.verify()
