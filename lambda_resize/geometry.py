"""Computes the sizes of previews, for each fit, as the sharp library defines them.

==========  =======================================  ==========================================================
fit         the photo is scaled to                   the preview is
==========  =======================================  ==========================================================
`cover`     fill the box, keeping its proportions    the box, cut out of the scaled photo
`contain`   lie within the box, likewise             the box, with the background around the scaled photo
`fill`      the box, each side separately            the scaled photo
`inside`    as `contain`                             the scaled photo
`outside`   as `cover`                               the scaled photo
==========  =======================================  ==========================================================

If only one side is given, the other follows from the photo's proportions; `fill` leaves it unscaled. Halves are rounded
up, and no side gets below one pixel.

Without `enlarge` no side of the photo is scaled up. `cover` then leaves a side that is too short uncut, so the result
may be smaller than the box. `contain` still has exactly the size of its box, with the small photo unscaled in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import NamedTuple

from prewmanager_presets import Spec


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        return self.width * self.height


@dataclass(frozen=True)
class Geometry:
    """The two sizes of a rendering.

    Attributes:
        scaled: The size of the whole upright photo after scaling.
        result: The size of the preview, after cutting or padding.
    """

    scaled: Size
    result: Size


def plan(source: Size, spec: Spec) -> Geometry:
    """Compute the sizes for a photo; `source` is the size of the upright photo."""
    across, down = _factors(source, spec)
    if not spec.enlarge:
        across, down = min(across, Fraction(1)), min(down, Fraction(1))
    scaled = Size(_scale(source.width, across), _scale(source.height, down))
    return Geometry(scaled, _result(scaled, spec))


def _factors(source: Size, spec: Spec) -> tuple[Fraction, Fraction]:
    """Return the scale of each side, as fractions, so that no rounding depends on the last bit of a float."""
    across = Fraction(spec.width, source.width) if spec.width else None
    down = Fraction(spec.height, source.height) if spec.height else None
    if spec.fit == "fill":
        return across or Fraction(1), down or Fraction(1)
    given = [factor for factor in (across, down) if factor is not None]
    factor = max(given) if spec.fit in {"cover", "outside"} else min(given)
    return factor, factor


def _result(scaled: Size, spec: Spec) -> Size:
    width, height = spec.width or scaled.width, spec.height or scaled.height
    if spec.fit == "contain":
        return Size(width, height)
    if spec.fit == "cover":
        return Size(min(width, scaled.width), min(height, scaled.height))
    return scaled


def _scale(side: int, factor: Fraction) -> int:
    return max(1, floor(side * factor + Fraction(1, 2)))


def offset(room: Size, position: str, *, rounding: int) -> tuple[int, int]:
    """Return left and top of a part, at a named position in a whole that is larger by `room`.

    `rounding` decides about the odd pixel of a centred part: 1 moves the part right and down, as sharp does when it
    cuts; 0 moves it left and up, as sharp does when it pads.
    """
    words = position.split()
    left = _edge(room.width, rounding, near="left" in words, far="right" in words)
    top = _edge(room.height, rounding, near="top" in words, far="bottom" in words)
    return left, top


def _edge(room: int, rounding: int, *, near: bool, far: bool) -> int:
    if near:
        return 0
    return room if far else (room + rounding) // 2
