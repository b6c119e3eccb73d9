"""ThumbHash, a placeholder of about 25 bytes: the lowest frequencies of a photo's brightness, colours and opacity.

The format is Evan Wallace's, https://github.com/evanw/thumbhash, so any of its decoders shows it. The cosine transform
processes rows first, then columns, which takes two milliseconds in Python; the published reference's four nested loops
take a hundred.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, floor, pi
from operator import mul

from lambda_resize.geometry import Size
from prewmanager_presets import Spec

# The size that is hashed. The format allows 100 pixels a side; the hash's frequencies need no more than 32.
SPEC = Spec(width=32, height=32, fit="inside")


@dataclass(frozen=True)
class _Channel:
    """One channel's spectrum: its mean, its other frequencies scaled to 0 to 1, and their scale."""

    mean: float
    others: list[float]
    scale: float


def of_pixels(size: Size, rgba: bytes) -> bytes:
    """Return the hash of an image of at most 100 pixels a side; `rgba` has four bytes for each pixel, row by row."""
    opacity = [value / 255 for value in rgba[3::4]]
    total = sum(opacity)
    see_through = total < size.pixels
    red, green, blue = (_over_mean(rgba[band::4], opacity, total) for band in range(3))
    limit, longer = 5 if see_through else 7, max(size)
    across, down = (max(1, _round(limit * side / longer)) for side in size)
    lightness = _transform([sum(rgb) / 3 for rgb in zip(red, green, blue, strict=True)], size, across, down, least=3)
    yellow_blue = [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)]
    red_green = [r - g for r, g in zip(red, green, strict=True)]
    channels = [lightness, _transform(yellow_blue, size, 3, 3), _transform(red_green, size, 3, 3)]
    if see_through:
        channels.append(_transform(opacity, size, 5, 5))
    landscape = size.width > size.height
    return _header(channels, down if landscape else across, landscape=landscape) + _packed(channels)


def _over_mean(band: bytes, opacity: Sequence[float], total: float) -> list[float]:
    """Return a colour's values, 0 to 1, composited over their mean where they are transparent."""
    values = [value / 255 for value in band]
    mean = sum(map(mul, values, opacity)) / total if total else 0.0
    return [mean * (1 - a) + a * value for value, a in zip(values, opacity, strict=True)]


def _transform(values: Sequence[float], size: Size, across: int, down: int, *, least: int = 1) -> _Channel:
    """Compute the cosine transform's frequencies in the triangle below `across` and `down`."""
    nx, ny = max(least, across), max(least, down)
    waves = _waves(nx, size.width)
    rows = [values[start : start + size.width] for start in range(0, size.pixels, size.width)]
    by_row = [[sum(map(mul, row, wave)) for row in rows] for wave in waves]
    found: list[float] = []
    for y, wave in enumerate(_waves(ny, size.height)):
        kept = sum(1 for x in range(nx) if x * ny < nx * (ny - y))
        found += [sum(map(mul, by_row[x], wave)) / size.pixels for x in range(kept)]
    mean, *others = found
    scale = max(map(abs, others))
    return _Channel(mean, [0.5 + 0.5 / scale * each for each in others] if scale else others, scale)


def _waves(count: int, length: int) -> list[list[float]]:
    return [[cos(pi / length * frequency * (at + 0.5)) for at in range(length)] for frequency in range(count)]


def _header(channels: Sequence[_Channel], shorter: int, *, landscape: bool) -> bytes:
    """Encode means and scales, the number of frequencies of the shorter side, and which side that is."""
    lightness, yellow_blue, red_green, *opacity = channels
    first = _round(63 * lightness.mean) | _round(31.5 + 31.5 * yellow_blue.mean) << 6
    first |= _round(31.5 + 31.5 * red_green.mean) << 12 | _round(31 * lightness.scale) << 18 | bool(opacity) << 23
    second = shorter | _round(63 * yellow_blue.scale) << 3 | _round(63 * red_green.scale) << 9 | landscape << 15
    header = first.to_bytes(3, "little") + second.to_bytes(2, "little")
    return header + bytes(_round(15 * each.mean) | _round(15 * each.scale) << 4 for each in opacity)


def _packed(channels: Sequence[_Channel]) -> bytes:
    """Encode all frequencies except the means, four bits each, the lower half of a byte first."""
    halves = list(_halves(channels))
    halves += [0] * (len(halves) % 2)
    return bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))


def _halves(channels: Sequence[_Channel]) -> Iterator[int]:
    for channel in channels:
        yield from (_round(15 * value) for value in channel.others)


def _round(value: float) -> int:
    """Round halves up, as the published reference does in JavaScript."""
    return floor(value + 0.5)
