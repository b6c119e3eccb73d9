"""Previews, compared with reviewed pictures: upright, in sRGB, on the right background."""

from __future__ import annotations

import io

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from benchmarks.images.quality import similarity
from lambda_resize.resize import resize
from prewmanager_presets import Spec
from tests.lambda_resize import scenes
from tests.lambda_resize.scenes import GOLDENS

# Measured: correct previews have at least 0.987, wrong ones at most 0.918 (Display P3 without its profile).
ALIKE = 0.97


def likeness(data: bytes, spec: Spec, golden: str) -> float:
    """Return the SSIM of the channel that differs most, red, green, blue or opacity; 0 if the sizes differ."""
    with Image.open(GOLDENS / f"{golden}.png") as wanted, Image.open(io.BytesIO(resize(data, spec).data)) as given:
        if given.size != wanted.size:
            return 0.0
        one, other = (np.asarray(each.convert("RGBA")).astype(float) for each in (given, wanted))
    return min(similarity(one[..., channel], other[..., channel]) for channel in range(4))


@pytest.mark.parametrize("name", scenes.cases())
def test_a_preview_is_like_its_golden(name: str) -> None:
    case = scenes.cases()[name]()
    assert likeness(case.data, case.spec, case.golden) > ALIKE
    for data, spec in case.wrong.values():
        assert likeness(data, spec, case.golden) < ALIKE


def test_cmyk_is_converted_as_littlecms_does_it() -> None:
    """A mean CIE76 delta E below 3 to Pillow's conversion, with the embedded profile, which is libvips', or without."""
    with Image.open(io.BytesIO(scenes.printed())) as stored:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(stored.info["icc_profile"]))
        wanted = ImageCms.profileToProfile(stored, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    ours, without = (_colours(scenes.printed(profile=kept)) for kept in (True, False))
    theirs = pyvips.Image.new_from_array(np.asarray(wanted)).copy(interpretation="srgb")
    assert ours.dE76(theirs).avg() < 3
    assert without.dE76(theirs).avg() < 3


def _colours(data: bytes) -> pyvips.Image:
    """Return the photo at its own size, in the preview's colours."""
    return pyvips.Image.new_from_buffer(resize(data, Spec(width=scenes.WIDTH, format="png")).data, "")
