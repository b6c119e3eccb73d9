"""The sample photos: one for each property that photos in a real bucket have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyvips
from PIL import Image, ImageDraw, ImageFont
from PIL.Image import Image as Picture
from PIL.Image import Transpose

from devstack.samples.scene import LIGHTS, render

Renderer = Callable[[Path], None]

_ORIENTATION_TAG = 0x0112
# The transformation of the stored pixels, the inverse of the one that the tag asks viewers to apply (EXIF 2.32, tag
# Orientation).
_STORED_AS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}


@functools.cache
def scene(light: str, width: int, height: int, seed: int) -> Picture:
    """Return a rendered picture, cached for this process."""
    return Image.fromarray(render(width, height, light=LIGHTS[light], seed=seed))


def photo(light: str, width: int, height: int, seed: int) -> Renderer:
    """Save a scene in the format of the file name's extension."""
    return lambda path: scene(light, width, height, seed).save(path, quality=90)


def enlarged(light: str, width: int, height: int, seed: int) -> Renderer:
    """Save a scene at twice its width and height, with added grain: rendering all pixels would take half a minute."""

    def make(path: Path) -> None:
        large = scene(light, width, height, seed).resize((2 * width, 2 * height), Image.Resampling.BICUBIC)
        grain = np.random.default_rng(seed).integers(-4, 5, (2 * height, 2 * width, 1), np.int16)
        Image.fromarray((np.asarray(large, np.int16) + grain).clip(0, 255).astype(np.uint8)).save(path, quality=88)

    return make


def oriented(orientation: int, width: int, height: int) -> Renderer:
    """Save a scene with an arrow that points up, stored as by a camera held in this orientation."""

    def make(path: Path) -> None:
        upright = scene("autumn", width, height, 7).copy()
        _draw_up(upright, f"UP  {orientation}")
        exif = Image.Exif()
        exif[_ORIENTATION_TAG] = orientation
        stored = upright.transpose(_STORED_AS[orientation]) if orientation in _STORED_AS else upright
        stored.save(path, quality=90, exif=exif)

    return make


def _draw_up(picture: Picture, text: str) -> None:
    draw = ImageDraw.Draw(picture)
    side = min(picture.size)
    middle, top = picture.width / 2, side * 0.08
    head = [(middle, top), (middle - side * 0.12, top + side * 0.16), (middle + side * 0.12, top + side * 0.16)]
    shaft = (middle - side * 0.045, top + side * 0.16, middle + side * 0.045, top + side * 0.42)
    draw.polygon(head, fill="white", outline="black", width=3)
    draw.rectangle(shaft, fill="white", outline="black", width=3)
    font = ImageFont.load_default(side * 0.11)
    draw.text((middle, top + side * 0.52), text, "white", font, "mm", stroke_width=4, stroke_fill="black")


def transparent(path: Path) -> None:
    """Save a porthole: opaque in the middle, fading towards the edge, transparent in the corners."""
    picture = scene("dusk", 1800, 1200, 3).crop((300, 0, 1500, 1200)).convert("RGBA")
    steps = np.linspace(-1, 1, picture.width, dtype=np.float32)
    alpha = np.clip((0.98 - np.hypot(steps[:, None], steps[None, :])) * 5, 0, 1) * 255
    picture.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    picture.save(path)


def greyscale(path: Path) -> None:
    """Save a scene with one channel."""
    scene("dawn", 1800, 1200, 1).convert("L").save(path, quality=90)


def cmyk(path: Path) -> None:
    """Save a scene in CMYK, with its ICC profile."""
    rgb = pyvips.Image.new_from_array(
        np.asarray(scene("day", 3000, 2000, 2).resize((1500, 1000))), interpretation="srgb"
    )
    rgb.icc_export(output_profile="cmyk").jpegsave(str(path), Q=90, keep="icc")


def animated(path: Path) -> None:
    """Save an animation of a sunset in six frames."""
    frames = [scene(light, 480, 320, 3) for light in ("day", "autumn", "dawn", "dusk", "night")]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=600, loop=0)


# Grouped by scene, so that a process renders the scene of its group once.
GROUPS: tuple[dict[str, Renderer], ...] = (
    {
        "landscapes/lake-by-day.jpg": photo("day", 3000, 2000, 2),
        "large/24-megapixels.jpg": enlarged("day", 3000, 2000, 2),
        "formats/cmyk-with-profile.jpg": cmyk,
    },
    {"landscapes/lake-at-dawn.jpg": photo("dawn", 1800, 1200, 1), "formats/greyscale.jpg": greyscale},
    {"landscapes/lake-at-dusk.jpg": photo("dusk", 1800, 1200, 3), "formats/porthole-transparent.png": transparent},
    {"portraits/mountains-at-dawn.jpg": photo("dawn", 1200, 1800, 9)},
    {"portraits/night/with/many/folders/stars.jpg": photo("night", 1200, 1600, 5)},
    {"names/озеро в горах, 湖の朝 + 100% #1?.jpg": photo("dawn", 1500, 1000, 6)},  # noqa: RUF001 -- the letters that people use
    {f"orientation/landscape-{n}.jpg": oriented(n, 1200, 800) for n in (1, 2, 3, 4)}
    | {f"orientation/portrait-{n}.jpg": oriented(n, 800, 1200) for n in (5, 6, 7, 8)},
    {"formats/valley.webp": photo("autumn", 1200, 800, 8), "formats/small.png": photo("autumn", 120, 80, 8)},
    {"formats/valley.avif": photo("night", 1200, 800, 4), "formats/animation.gif": animated},
)
