"""Qualities of WebP and AVIF that look like one of JPEG; docs/images.md has the measurements."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

# What the function uses where a request names no quality: sharp's. Presets have it named for them.
DEFAULT_QUALITIES: Mapping[str, int] = MappingProxyType({"jpeg": 80, "webp": 80, "avif": 50})

# Tried in this order where a preview is too large: qualities of JPEG, or those of other formats that equal them.
LOWER_QUALITIES = (70, 60, 50, 40, 30, 20)

# By JPEG's quality: that of the format with the same mean SSIMULACRA2 over five photos, 720 wide, from 40 to 95:
# WebP at effort 4, AVIF at effort 1 with whole chroma.
_JPEG = (1, 40, 60, 70, 80, 90, 95, 100)
_SAME: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"webp": (1, 45, 67, 76, 84, 93, 98, 100), "avif": (1, 40, 48, 53, 62, 76, 86, 100)}
)


def equal_quality(target: str, jpeg_quality: int) -> int:
    """Return the quality of a format that looks like a quality of JPEG."""
    points = pairwise(zip(_JPEG, _SAME.get(target, _JPEG), strict=True))
    (low, first), (high, last) = next(pair for pair in points if jpeg_quality <= pair[1][0])
    return round(first + (last - first) * (jpeg_quality - low) / (high - low))
