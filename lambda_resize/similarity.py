"""How much an encoded picture looks like what was encoded: an estimate of its SSIMULACRA2.

It compares structure as SSIM does, in blocks of 4 x 4 pixels, at four scales, in three planes that follow the eye's
response: the cube root of light, as lightness and two opponent colours. Block by block 1 - SSIM is averaged, once as it
is and once by its fourth power, so that a few bad places count more than many good ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyvips

# Shorter sides have no fourth scale; larger pictures would take more memory and time than a preview should.
MIN_SIDE = 96
MAX_PIXELS = 2**21

_BLOCK = 4
_SHIFT = 2  # pixels; so a block lies across the borders of the encoders' own, where their faults are
_STABLE = 0.0003  # variance below which a difference in structure does not show
_DARKEST = 0.0038  # of light; keeps the root's slope finite
_POWER = 1.3
# Fitted to SSIMULACRA2 of 462 encodings in three formats, of 33 previews of 26 photos, by least squares with no weight
# below zero; docs/images.md says how well they do on eight others. A row for each scale; in it, for each plane, the
# weight of the mean and that of the mean of fourth powers.
_WEIGHTS = (
    ((3.434, 5.114), (4.255, 0.204), (0.0, 0.0)),
    ((6.989, 3.354), (0.0, 1.465), (0.0, 0.0)),
    ((99.501, 5.353), (0.0, 0.0), (0.0, 5.648)),
    ((132.032, 12.048), (0.0, 0.0), (0.0, 0.56)),
)
_LEAST = 0.45


def _root(value: int) -> float:
    """Return the cube root of the light of one of sRGB's 256 values, 0 for black."""
    share = value / 255
    light = share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 -- IEC 61966-2-1
    return float((light + _DARKEST) ** (1 / 3) - _DARKEST ** (1 / 3))


_ROOTS = [_root(value) for value in range(256)]
# Lightness, red against green, blue against yellow; of the roots of red, green and blue.
_PLANES = ((0.3, 0.62, 0.08), (0.5, -0.5, 0.0), (-0.25, -0.3, 0.55))


@dataclass(frozen=True)
class _Scale:
    """What of the reference does not depend on what it is compared with: its planes, and their blocks."""

    planes: pyvips.Image
    mean: pyvips.Image
    variance: pyvips.Image


class Reference:
    """A picture in memory, as encoders get it; of at most `MAX_PIXELS`, no side shorter than `MIN_SIDE`."""

    def __init__(self, image: pyvips.Image) -> None:
        self.colours = _colours(image).copy_memory()
        self._scales = []
        planes = _planes(self.colours)
        for _ in _WEIGHTS:
            inner = _inner(planes)
            mean = _blocks(inner).copy_memory()
            variance = (_blocks(inner * inner) - mean * mean).copy_memory()
            self._scales.append(_Scale(inner, mean, variance))
            planes = planes.shrink(2, 2).copy_memory()

    def score(self, encoded: bytes) -> float:
        """Return the estimate for a JPEG, WebP or AVIF of the picture: 94.6 for equal pixels, 90 for nearly equal ones.

        Raises `pyvips.Error` if it cannot be decoded.
        """
        planes = _planes(_colours(pyvips.Image.new_from_buffer(encoded, "")))
        total = _LEAST
        for scale, weights in zip(self._scales, _WEIGHTS, strict=True):
            total += _difference(scale, _inner(planes), weights)
            planes = planes.shrink(2, 2).copy_memory()
        return float(100 - 10 * total ** (1 / _POWER))


def _difference(scale: _Scale, planes: pyvips.Image, weights: tuple[tuple[float, float], ...]) -> float:
    """Return the weighed means of 1 - SSIM."""
    mean = _blocks(planes).copy_memory()
    variances = (scale.variance + _blocks(planes * planes) - mean * mean).copy_memory()
    change = planes - scale.planes
    shift = (mean - scale.mean).copy_memory()
    changed = (_blocks(change * change) - shift * shift).copy_memory()
    same = (1 - shift * shift) * (variances - changed + _STABLE) / (variances + _STABLE)
    lost = (1 - same).copy_memory()
    plain, squared = lost.stats(), (lost * lost).stats()
    blocks = lost.width * lost.height
    total = 0.0
    for plane, (by_mean, by_fourth) in enumerate(weights, start=1):
        # Row 0 is of all bands; columns 2 and 3 are the sum and the sum of squares.
        total += by_mean * plain(2, plane)[0] / blocks
        total += by_fourth * (squared(3, plane)[0] / blocks) ** 0.25
    return total


def _colours(image: pyvips.Image) -> pyvips.Image:
    """Return red, green and blue of 8 bits, on white where it is transparent."""
    image = image if image.format == "uchar" and image.interpretation == "srgb" else image.colourspace("srgb")
    return image.flatten(background=255) if image.hasalpha() else image


def _planes(colours: pyvips.Image) -> pyvips.Image:
    roots = pyvips.Image.new_from_array([_ROOTS]).cast("float")
    return colours.maplut(roots).recomb(pyvips.Image.new_from_array([list(row) for row in _PLANES])).copy_memory()


def _inner(planes: pyvips.Image) -> pyvips.Image:
    return planes.crop(_SHIFT, _SHIFT, planes.width - _SHIFT, planes.height - _SHIFT)


def _blocks(planes: pyvips.Image) -> pyvips.Image:
    return planes.shrink(_BLOCK, _BLOCK)
