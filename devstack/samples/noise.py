"""Fractal noise, which gives rendered mountains, clouds and water a natural look."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Field = npt.NDArray[np.float32]


def plane(random: np.random.Generator, size: tuple[int, int], cell: tuple[float, float], octaves: int = 5) -> Field:
    """Return noise from 0 to 1 of `size` (width, height).

    `cell` is the size (width, height) of its largest features in pixels; each further octave halves both and weighs
    half as much.
    """
    width, height = size
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        columns, rows = (
            max(2, int(np.ceil(side / each * 2**octave)) + 1) for side, each in zip(size, cell, strict=True)
        )
        grid = random.random((min(rows, height), min(columns, width)), np.float32)
        total += np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)) / 2**octave
    low, high = float(total.min()), float(total.max())
    total -= low
    total /= high - low
    return total


def line(random: np.random.Generator, length: int, cell: float, octaves: int = 8) -> Field:
    """Return one-dimensional noise: `length` values from 0 to 1."""
    return plane(random, (length, 1), (cell, 1), octaves).ravel()
