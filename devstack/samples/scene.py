"""Renders a landscape: mountains in haze behind a lake, under a sky, with a forest in front.

It is painted from back to front into one array of floats, height by width by 3, 0 to 1. All sizes are fractions of the
picture, so that a seed gives the same scene at each resolution; larger ones have more detail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from devstack.samples.noise import Field, line, plane


@dataclass(frozen=True, eq=False)
class Light:
    """The colours at one hour of the day, and the number of stars per million pixels."""

    stars: int
    zenith: Field
    horizon: Field
    sun: Field
    cloud: Field
    far: Field
    near: Field


def _light(*colours: tuple[float, float, float], stars: int = 0) -> Light:
    return Light(stars, *(np.array(colour, np.float32) for colour in colours))


# For each hour: zenith, horizon, sun, cloud, far mountains, near forest; red, green, blue.
DAWN = _light(
    (0.23, 0.36, 0.58), (0.98, 0.79, 0.62), (1, 0.93, 0.76), (1, 0.83, 0.76), (0.66, 0.60, 0.68), (0.07, 0.11, 0.12)
)
DAY = _light((0.16, 0.42, 0.76), (0.77, 0.88, 0.95), (1, 0.98, 0.90), (1, 1, 1), (0.58, 0.70, 0.82), (0.08, 0.20, 0.09))
DUSK = _light(
    (0.11, 0.10, 0.27),
    (0.96, 0.49, 0.26),
    (1, 0.72, 0.38),
    (0.86, 0.38, 0.38),
    (0.47, 0.28, 0.40),
    (0.04, 0.03, 0.07),
    stars=40,
)
NIGHT = _light(
    (0.01, 0.02, 0.07),
    (0.13, 0.20, 0.34),
    (0.80, 0.87, 1),
    (0.16, 0.20, 0.32),
    (0.14, 0.19, 0.30),
    (0.01, 0.02, 0.03),
    stars=1500,
)
AUTUMN = _light(
    (0.38, 0.50, 0.66), (0.93, 0.87, 0.75), (1, 0.95, 0.82), (0.97, 0.94, 0.90), (0.60, 0.57, 0.58), (0.30, 0.13, 0.03)
)
LIGHTS = {"dawn": DAWN, "day": DAY, "dusk": DUSK, "night": NIGHT, "autumn": AUTUMN}

_SHORE = 0.70  # where the lake begins, from the top
_RIDGES = 5
_SNOW_LINE = 0.6  # ranges nearer than this depth have none


def render(width: int, height: int, *, light: Light, seed: int) -> npt.NDArray[np.uint8]:
    """Return the scene as 8-bit RGB, height by width by 3."""
    random = np.random.default_rng(seed)
    picture = _sky(random, width, height, light)
    for depth in range(_RIDGES):
        _ridge(random, picture, light, depth / (_RIDGES - 1))
    _lake(random, picture, light)
    _forest(random, picture, light)
    picture += random.standard_normal(picture.shape[:2], np.float32)[..., None] * 0.008  # the grain of a sensor
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _mix(below: Field, above: Field, share: Field | float) -> Field:
    mixed: Field = below + (above - below) * np.asarray(share, np.float32)
    return mixed


def _sky(random: np.random.Generator, width: int, height: int, light: Light) -> Field:
    down: Field = np.linspace(0, 1 / _SHORE, height, dtype=np.float32)[:, None, None].clip(0, 1)
    picture = _mix(np.broadcast_to(light.zenith, (height, width, 3)), light.horizon, down**1.4)
    _stars(random, picture, light)
    rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    away = np.hypot(columns / height - 0.68 * width / height, rows / height - 0.34)[..., None]
    picture = _mix(picture, light.sun, 0.75 * np.exp(-6 * away) + 0.25 * np.exp(-1.8 * away))
    picture = _mix(picture, light.sun, np.clip((0.035 - away) * height / 3, 0, 1))
    clouds = plane(random, (width, height), (width * 0.45, height * 0.10), 7)
    return _mix(picture, light.cloud, (np.clip(clouds * 2.6 - 1.35, 0, 1) * 0.85)[..., None])


def _stars(random: np.random.Generator, picture: Field, light: Light) -> None:
    height, width = picture.shape[:2]
    count = light.stars * height * width // 1_000_000
    rows, columns = random.integers(0, int(height * _SHORE), count), random.integers(0, width, count)
    brightness = random.random(count, np.float32)[:, None] ** 2
    picture[rows, columns] = np.maximum(picture[rows, columns], brightness)


def _ridge(random: np.random.Generator, picture: Field, light: Light, depth: float) -> None:
    """Paint one range of mountains; `depth` is from 0, the farthest and palest, to 1, the nearest."""
    height, width = picture.shape[:2]
    profile = line(random, width, width * (0.5 - 0.25 * depth), 10)
    crest = (0.34 + 0.24 * depth - (0.22 - 0.10 * depth) * (profile - 0.35)) * height
    top, bottom = max(0, int(crest.min()) - 1), int(height * _SHORE) + 2
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    inside = np.clip(rows - crest, 0, 1)
    rock = plane(random, (width, bottom - top), (width * 0.05, height * 0.035), 6)
    # Light comes from the right: slopes that fall off to the right are bright.
    slope = np.gradient(rock, axis=1) * width * 0.012
    base = _mix(light.far, light.near, depth * 0.8)
    haze = np.clip((rows - crest) / (height * 0.30), 0, 1) * (0.75 - 0.5 * depth)
    colour = base * (0.72 + 0.4 * rock[..., None]) * (1 - np.clip(slope, -0.5, 0.6) * (0.9 * depth + 0.35))[..., None]
    snow = np.clip((0.08 - (rows - crest) / height) * 30 * (rock - 0.35), 0, 1) * (depth < _SNOW_LINE)
    colour = _mix(colour, (0.7 * light.cloud + 0.3) * 0.92, (snow * 0.8)[..., None])
    colour = _mix(colour, light.horizon, haze[..., None])
    picture[top:bottom] = _mix(picture[top:bottom], colour, inside[..., None])


def _lake(random: np.random.Generator, picture: Field, light: Light) -> None:
    height, width = picture.shape[:2]
    shore = int(height * _SHORE)
    deep = height - shore
    near = np.linspace(0, 1, deep, dtype=np.float32)[:, None]
    ripples = plane(random, (width, deep), (width * 0.06, height * 0.008), 5) - 0.5
    rows = shore - 1 - (np.arange(deep, dtype=np.float32)[:, None] * 1.1 + ripples * near * height * 0.09)
    columns = np.arange(width, dtype=np.float32)[None, :] + ripples * near * width * 0.02
    mirror = picture[rows.clip(0, shore - 1).astype(np.intp), columns.clip(0, width - 1).astype(np.intp)]
    water = _mix(mirror * 0.88, light.zenith * 0.7, 0.15 + 0.35 * near[..., None])
    picture[shore:] = water + (np.clip(ripples - 0.12, 0, 1) * 0.5 * near)[..., None] * light.horizon


def _forest(random: np.random.Generator, picture: Field, light: Light) -> None:
    """Paint conifers along both lower corners, and the ground below them."""
    height, width = picture.shape[:2]
    ground = _ground(random, width, height)
    for _ in range(130):
        across = random.beta(0.45, 0.45)
        tall = height * random.uniform(0.10, 0.27) * (0.35 + 1.1 * abs(across - 0.5) * 2)
        _conifer(random, picture, light, (int(across * width), int(ground[min(width - 1, int(across * width))]), tall))
    needles = plane(random, (width, height), (width * 0.02, height * 0.02), 7)
    rows = np.arange(height, dtype=np.float32)[:, None]
    inside = np.clip(rows - ground[None, :] - 12 * needles, 0, 1)
    colour = light.near * (0.35 + 1.5 * needles[..., None] ** 2)
    picture[:] = _mix(picture, colour, inside[..., None])


def _ground(random: np.random.Generator, width: int, height: int) -> Field:
    across = np.linspace(-1, 1, width, dtype=np.float32)
    hills: Field = height * (1.03 - 0.16 * across**2 - 0.05 * line(random, width, width * 0.2, 9))
    return hills


def _conifer(random: np.random.Generator, picture: Field, light: Light, place: tuple[int, int, float]) -> None:
    column, foot, tall = place
    height, width = picture.shape[:2]
    half = int(tall * 0.19) + 1
    top, bottom = max(0, foot - int(tall)), min(height, foot + int(tall * 0.1))
    left, right = max(0, column - half), min(width, column + half)
    if top >= bottom or left >= right:
        return
    rows = (np.arange(top, bottom, dtype=np.float32)[:, None] - (foot - tall)) / tall
    away = np.abs(np.arange(left, right, dtype=np.float32)[None, :] - column) / half
    # Branches: the outline oscillates, faster and wider towards the foot.
    whorls = 0.62 + 0.38 * np.abs(np.sin(rows * (26 + random.uniform(-4, 4)) + away * 2.2))
    shaggy = 1 + 0.5 * (random.random((bottom - top, right - left), np.float32) - 0.5)
    inside = np.clip((rows * 0.95 * whorls * shaggy - away) * half / 1.5, 0, 1)
    shade = (0.45 + 0.9 * random.random(inside.shape, np.float32)) * (0.7 + 0.6 * whorls)
    colour = light.near * shade[..., None] * random.uniform(0.6, 1.25)
    picture[top:bottom, left:right] = _mix(picture[top:bottom, left:right], colour, inside[..., None])
