"""Wide colours: a photo that has them keeps them, in Display P3, and all others have the same bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from lambda_resize import wide
from lambda_resize.containers import icc
from lambda_resize.resize import resize
from lambda_resize.settings import Limits
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import colour, delta_e, encode, furthest, noise, opened
from tests.lambda_resize.test_jxl import P3 as P3_OF_JXL
from tests.lambda_resize.test_rarer_formats import photo
from tests.lambda_resize.wide_gamut import ADOBE_RGB, DISPLAY_P3, PROPHOTO

FORMATS = ("jpeg", "png", "webp", "avif")
P3 = bytes(pyvips.Operation.call("profile_load", "p3"))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREEN = Image.new("RGB", (64, 64), (60, 250, 60))


def profile_of(image: Image.Image) -> bytes:
    """Return an image's profile; empty if it has none."""
    found: bytes = image.info.get("icc_profile", b"")
    return found


def as_shown(image: Image.Image) -> Image.Image:
    """Return a picture in sRGB, by LittleCMS and the profile in its file."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_of(image)))
    shown = ImageCms.profileToProfile(image.convert("RGB"), profile, ImageCms.createProfile("sRGB"))
    assert shown is not None
    return shown


@pytest.mark.parametrize("target", FORMATS)
def test_a_wide_photo_keeps_its_colours_with_a_small_profile(target: str) -> None:
    data = encode(GREEN, "PNG", icc_profile=DISPLAY_P3.profile())
    kept = opened(resize(data, Spec(width=32, format=target, colours="wide")))
    assert profile_of(kept) == P3
    assert len(profile_of(kept)) < 500
    assert furthest(colour(kept.convert("RGB"), 10, 10), (60, 250, 60)) <= (3 if target == "png" else 6)
    narrow = opened(resize(data, Spec(width=32, format=target)))
    assert not profile_of(narrow)
    assert colour(narrow.convert("RGB"), 10, 10)[0] < 20


@pytest.mark.parametrize("space", [ADOBE_RGB, PROPHOTO])
def test_other_wide_spaces_become_display_p3(space: object) -> None:
    picture = photo()
    assert isinstance(space, type(ADOBE_RGB))
    numbers = space.numbers(np.asarray(picture) / 255)
    data = encode(Image.fromarray((numbers * 255 + 0.5).astype(np.uint8)), "PNG", icc_profile=space.profile())
    kept = opened(resize(data, Spec(width=90, format="png", colours="wide")))
    assert profile_of(kept) == P3
    assert delta_e(as_shown(kept), picture) < 1.5


def test_colours_that_code_points_describe_are_kept_too() -> None:
    kept = opened(resize(P3_OF_JXL, Spec(width=8, format="png", colours="wide")))
    assert colour(kept, 4, 4) == (200, 30, 40)
    assert profile_of(kept) == P3


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("profile", [b"", SRGB])
def test_a_photo_in_srgb_has_the_same_bytes(target: str, profile: bytes) -> None:
    data = encode(noise(), "JPEG", icc_profile=profile)
    kept = resize(data, Spec(width=32, format=target, colours="wide")).data
    assert kept == resize(data, Spec(width=32, format=target)).data


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_inks_become_srgb(mode: str) -> None:
    preview = resize(encode(photo(mode), "TIFF"), Spec(width=32, format="png", colours="wide"))
    assert not profile_of(opened(preview))


def test_an_animation_keeps_them() -> None:
    data = encode(GREEN, "PNG", icc_profile=DISPLAY_P3.profile(), save_all=True, append_images=[GREEN.rotate(90)])
    moving = opened(resize(data, Spec(width=32, animated=True, format="webp", colours="wide")))
    assert profile_of(moving) == P3


def test_the_background_is_the_same_colour() -> None:
    data = encode(GREEN, "PNG", icc_profile=DISPLAY_P3.profile())
    spec = Spec(width=64, height=32, fit="contain", background="#ff0000", format="png", colours="wide")
    kept = opened(resize(data, spec))
    assert furthest(colour(as_shown(kept), 2, 2), (255, 0, 0)) <= 4
    assert wide.from_srgb((255, 0, 0)) == (234, 51, 35)
    assert wide.from_srgb((255, 255, 255)) == (255, 255, 255)
    assert wide.from_srgb((0, 0, 0)) == (0, 0, 0)


def test_previews_of_one_photo_do_not_share_their_colours() -> None:
    from lambda_resize.resize import resize_many

    data = encode(GREEN, "PNG", icc_profile=DISPLAY_P3.profile())
    specs = [Spec(width=32, format="png", colours=each) for each in ("wide", "srgb", "wide")]
    first, second, third = (opened(each) for each in resize_many(data, specs, Limits(), placeholder=True))  # type: ignore[arg-type]
    assert profile_of(first) == profile_of(third) != profile_of(second) == b""


def test_the_area_of_a_profile_says_whether_it_is_wide() -> None:
    assert icc.area(SRGB) == pytest.approx(icc.AREA_OF_SRGB, rel=0.01)
    assert icc.area(DISPLAY_P3.profile()) > 1.2 * icc.AREA_OF_SRGB
    assert icc.area(b"") == 0
    assert icc.area(bytes(132) + b"rXYZ\0\0\0\x90") == 0
