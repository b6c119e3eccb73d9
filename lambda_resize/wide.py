"""Colours wider than sRGB's: which photos have them, and how previews keep them, as Display P3's."""

from __future__ import annotations

import pyvips

from lambda_resize import colours
from lambda_resize.containers import icc

P3 = "p3"  # libvips' own profile: 480 bytes, from Compact ICC Profiles, CC0
_FIELD = "wide"  # of an image in Display P3
_PROFILE = "icc-profile-data"
_PRIMARIES = frozenset({4, 9, 11, 12})  # H.273's: NTSC of 1953, Rec. 2020, and both of P3
_WIDER = 1.1  # in area of the diagram of x and y: P3's triangle is 1.36 of sRGB's, those of old displays 0.9 to 1.05

# From linear light of sRGB's primaries to that of P3's.
FROM_SRGB = ((0.822462, 0.177538, 0.0), (0.033194, 0.966806, 0.0), (0.017083, 0.072397, 0.910520))


def is_wide(image: pyvips.Image) -> bool:
    """Whether a decoded image, whose colours are still to be converted, has colours beyond sRGB's."""
    if colours.are_to_be_converted(image):
        return int(image.get(colours.FIELD)) >> 8 in _PRIMARIES
    return bool(image.get_typeof(_PROFILE)) and icc.area(image.get(_PROFILE)) > _WIDER * icc.AREA_OF_SRGB


def described(image: pyvips.Image) -> pyvips.Image:
    """Return an image that was converted to Display P3 with the profile that says so."""
    image = image.copy()
    image.set_type(pyvips.GValue.blob_type, _PROFILE, pyvips.Operation.call("profile_load", P3))
    image.set_type(pyvips.GValue.gint_type, _FIELD, 1)
    return image


def is_described(image: pyvips.Image) -> bool:
    """Whether an image is in Display P3, by `described`."""
    return bool(image.get_typeof(_FIELD))


def from_srgb(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return a colour of sRGB in the numbers of Display P3, each 0 to 255."""
    light = [_light(number / 255) for number in rgb]
    red, green, blue = (sum(each * part for each, part in zip(row, light, strict=True)) for row in FROM_SRGB)
    return _number(red), _number(green), _number(blue)


def _light(number: float) -> float:
    return number / 12.92 if number <= 0.04045 else ((number + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 -- sRGB's curve


def _number(light: float) -> int:
    number = light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055  # noqa: PLR2004 -- likewise
    return round(255 * min(1.0, max(0.0, number)))
