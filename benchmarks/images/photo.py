"""The photos for the benchmarks."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyvips

from benchmarks.parts import ROOT

REAL = ROOT.parent / "shared" / "photos" / "landscape-2725x2225.jpg"
_WIDTH, _HEIGHT = 2725, 2225


def landscape(folder: Path) -> Path:
    """Return a real photo from beside the checkout, or else noise of all scales with the same pixel and file size."""
    return REAL if REAL.is_file() else _made(folder / "landscape.jpg", _WIDTH, _HEIGHT)


def of_megapixels(folder: Path, megapixels: float, kind: str) -> Path:
    """Return a photo of this size, 4:3; `kind` is jpeg, progressive, png or webp."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    suffix = {"progressive": "jpg", "jpeg": "jpg"}.get(kind, kind)
    path = folder / f"{kind}-{megapixels:g}.{suffix}"
    if not path.exists():
        image = _image(width, height)
        if suffix == "jpg":
            image.jpegsave(path, Q=80, interlace=kind == "progressive")
        elif kind == "webp":
            image.webpsave(path, Q=80, effort=0)
        else:
            image.pngsave(path, compression=1, filter="sub")
    return path


def _made(path: Path, width: int, height: int) -> Path:
    _image(width, height).jpegsave(path, Q=85)
    return path


def _image(width: int, height: int) -> pyvips.Image:
    """Return repeated tiles of noise whose strength falls with frequency, which encoders treat like a photo."""
    side = 2048
    tile = sum((_noise(side, octave) for octave in range(1, 12)), np.zeros((side, side, 3)))
    across, down = -(-width // side), -(-height // side)
    return pyvips.Image.new_from_array(_bytes(tile)).replicate(across, down).crop(0, 0, width, height)


def _noise(side: int, octave: int) -> npt.NDArray[np.float64]:
    coarse: npt.NDArray[np.float64] = (
        np.random.default_rng(octave).normal(size=(2**octave + 1, 2**octave + 1, 3)) / 1.5**octave
    )
    for _ in itertools.takewhile(lambda n: n < side, (2**octave * 2**step for step in range(12))):
        coarse = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)
    return coarse[:side, :side]


def _bytes(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    return np.clip(128 + 60 * values, 0, 255).astype(np.uint8)
