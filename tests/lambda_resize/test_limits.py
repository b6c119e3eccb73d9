"""Limits while an image is decoded: whole frames, channels, time; and SVG, which must be allowed."""

from __future__ import annotations

import subprocess
import sys
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pyvips
from PIL import Image

from lambda_resize import vips
from lambda_resize.deadline import Deadline
from lambda_resize.errors import Corrupt, TimedOut, TooLarge, Unsupported
from lambda_resize.resize import resize
from lambda_resize.settings import Limits
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import encode, furthest, noise, opened, pixels

SMALL = Spec(width=20)
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="20">'
    b'<rect width="20" height="20" fill="red"/><image xlink:href="file:///etc/hostname" width="40" height="20"/></svg>'
)


@pytest.mark.parametrize(
    ("file_format", "options", "whole"),
    [
        ("JPEG", {"progressive": True}, True),
        ("JPEG", {}, False),
        ("PNG", {}, False),
        ("TIFF", {}, False),
        ("WEBP", {}, True),
        ("GIF", {}, True),
    ],
)
def test_a_frame_that_must_be_held_has_its_own_limit(file_format: str, options: dict[str, Any], *, whole: bool) -> None:
    data = encode(Image.new("RGB", (100, 100)), file_format, **options)
    assert resize(data, SMALL, Limits(max_frame_pixels=10_000)).width == 20
    if whole:
        with pytest.raises(TooLarge, match="to be decoded whole"):
            resize(data, SMALL, Limits(max_frame_pixels=9_999))
    else:
        assert resize(data, SMALL, Limits(max_frame_pixels=9_999)).width == 20


def test_a_baseline_jpeg_counts_half() -> None:
    """Its decoder shrinks it row by row."""
    data = encode(Image.new("RGB", (100, 100)), "JPEG")
    assert resize(data, SMALL, Limits(max_source_pixels=5_000)).width == 20
    with pytest.raises(TooLarge, match="100x100"):
        resize(data, SMALL, Limits(max_source_pixels=4_999))
    with pytest.raises(TooLarge, match="100x100"):
        resize(encode(Image.new("RGB", (100, 100)), "JPEG", progressive=True), SMALL, Limits(max_source_pixels=9_999))


def test_an_avif_may_have_about_half_as_many_pixels() -> None:
    """Decoding one takes 15 to 18 bytes for each, a HEIC 7 to 10."""
    data = encode(Image.new("RGB", (100, 100)), "AVIF")
    assert resize(data, SMALL, Limits(max_frame_pixels=20_000)).width == 20
    with pytest.raises(TooLarge, match="to be decoded"):
        resize(data, SMALL, Limits(max_frame_pixels=18_000))


def test_an_interlaced_png_counts_as_a_whole_frame() -> None:
    """Its last pass touches every row."""
    data = pyvips.Image.black(100, 100, bands=3).copy(interpretation="srgb").pngsave_buffer(interlace=True)
    with pytest.raises(TooLarge, match="to be decoded whole"):
        resize(data, SMALL, Limits(max_frame_pixels=9_999))


def test_a_picture_of_many_channels_is_unsupported() -> None:
    """Instruments write such TIFFs; each channel takes memory."""
    data = pyvips.Image.black(40, 40, bands=60).tiffsave_buffer()
    with pytest.raises(Unsupported, match="60 channels"):
        resize(data, SMALL)


@pytest.mark.parametrize("position", ["centre", "entropy"])
def test_the_time_limit_covers_decoding_before_and_during_saving(position: str) -> None:
    with pytest.raises(TimedOut, match="not done within 0 seconds"):
        resize(encode(noise(), "PNG"), Spec(width=20, height=20, position=position), Limits(max_seconds=0))


def test_a_deadline_ends_images_from_before_and_after_it() -> None:
    with Deadline(3600) as deadline:
        before = deadline.watch(pyvips.Image.black(100, 100).copy())
        deadline.check()
        deadline.expire()
        after = deadline.watch(pyvips.Image.black(100, 100).copy())
        for image in (before, after):
            with pytest.raises(TimedOut), deadline.translated(), vips.decoding():
                image.avg()


def test_a_deadline_that_is_over_keeps_no_pixels() -> None:
    """A worker's next photo has all of its memory, although Python has not looked for cycles yet."""

    class Image:
        """Stands for an image, whose pixels are freed with it."""

    image: Any = Image()
    freed = weakref.ref(image)
    with Deadline(3600) as deadline:
        deadline.watch(image)
    del image
    assert freed() is None


def test_the_frames_of_an_animation_count_decoded_and_scaled() -> None:
    """Both are held in memory."""
    frames = [Image.new("RGB", (100, 100), colour) for colour in ("red", "green", "blue", "white")]
    data = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    moving = Spec(width=100, animated=True, format="webp")
    assert resize(data, moving, Limits(max_frame_pixels=50_000)).width == 100
    with pytest.raises(TooLarge, match="decoded and scaled"):
        resize(data, moving, Limits(max_frame_pixels=49_999))
    assert resize(data, replace(moving, animated=False), Limits(max_frame_pixels=49_999)).width == 100


def test_a_photo_for_which_there_is_no_memory_is_too_large() -> None:
    with pytest.raises(TooLarge, match="more memory"), vips.decoding():
        raise MemoryError
    with pytest.raises(TooLarge), vips.decoding():
        raise pyvips.Error("vips_tracked: out of memory")


def test_an_error_before_the_deadline_is_no_time_out() -> None:
    with Deadline(3600) as deadline, pytest.raises(Corrupt), deadline.translated():
        raise Corrupt("damaged")


@pytest.fixture(name="svg_allowed")
def _svg_allowed() -> Iterator[None]:
    vips.allow_svg(allowed=True)
    yield
    vips.allow_svg(allowed=False)


@pytest.mark.usefixtures("svg_allowed")
@pytest.mark.parametrize(("target", "kept"), [("keep", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_svg_is_drawn_where_it_is_allowed(target: str, kept: str) -> None:
    """At the preview's size, so that edges are sharp; never served as SVG; its external files are not opened."""
    image = opened(resize(SVG, Spec(width=400, enlarge=True, format=target)))
    assert (image.format, image.size) == (kept, (400, 200))
    row = pixels(image)[100]
    assert furthest(row[:196], (255, 0, 0)) < 12
    assert furthest(row[204:], row[300]) < 12


@pytest.mark.usefixtures("svg_allowed")
def test_a_large_svg_is_refused() -> None:
    with pytest.raises(TooLarge):
        resize(SVG.replace(b'"40"', b'"40000"', 1).replace(b'"20"', b'"20000"', 1), SMALL)


def test_svg_is_unsupported_by_default() -> None:
    with pytest.raises(Unsupported):
        resize(SVG, SMALL)


def test_messages_of_libvips_about_damage_are_dropped(tmp_path: Path) -> None:
    """Handling them in Python can end the process, see `lambda_resize.vips`."""
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(encode(noise(), "PNG")[:20_000])
    code = (
        "import sys; from lambda_resize.resize import resize; from prewmanager_presets import Spec\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "for _ in range(20): resize(data, Spec(width=20, best_effort=True))\n"
    )
    argv = [sys.executable, "-c", code, str(damaged)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
