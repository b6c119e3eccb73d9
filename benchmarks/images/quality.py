"""Quality of a preview: SSIM, structural similarity, of brightness (Wang et al. 2004)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

_SIGMA, _RADIUS = 1.5, 5  # the paper's window of 11 pixels
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
Pixels = np.ndarray


def reference(photo: Path, width: int, height: int) -> Pixels:
    """Return the ideal preview: the photo fully decoded, and scaled by Pillow with an exact Lanczos filter."""
    with Image.open(photo) as image:
        return _brightness(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))


def ssim(preview: Path, wanted: Pixels) -> float:
    """Return 1 for equal pixels, and less for others; the preview must have the reference's size."""
    with Image.open(preview) as image:
        given = _brightness(image.convert("RGB"))
    if given.shape != wanted.shape:
        raise ValueError(f"{preview}: {given.shape} instead of {wanted.shape}")
    return similarity(given, wanted)


def similarity(given: Pixels, wanted: Pixels) -> float:
    """Return the SSIM of one channel, floats from 0 to 255, of two pictures of the same size."""
    mean_one, mean_other = _blurred(given), _blurred(wanted)
    variance_one = _blurred(given**2) - mean_one**2
    variance_other = _blurred(wanted**2) - mean_other**2
    covariance = _blurred(given * wanted) - mean_one * mean_other
    above = (2 * mean_one * mean_other + _C1) * (2 * covariance + _C2)
    below = (mean_one**2 + mean_other**2 + _C1) * (variance_one + variance_other + _C2)
    return float((above / below).mean())


def _brightness(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("L")).astype(float)


def _blurred(pixels: Pixels) -> Pixels:
    at = np.arange(-_RADIUS, _RADIUS + 1)
    window = np.exp(-(at**2) / (2 * _SIGMA**2))
    window /= window.sum()
    for axis in (0, 1):
        pixels = np.lib.stride_tricks.sliding_window_view(pixels, len(window), axis) @ window
    return pixels
