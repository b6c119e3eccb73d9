"""Colours that are described by code points rather than by a profile (ITU-T H.273), converted to sRGB.

What is brighter than sRGB's white is compressed as ITU-R BT.2390 does it for displays: 203 cd/m², the white of paper in
HDR (BT.2408), is sRGB's white, the brightest pixel is no brighter than that, and nothing changes below. So white stays
white, in a photo that has nothing brighter as in one of a lamp.
"""

from __future__ import annotations

import pyvips

from lambda_resize.containers.cicp import Coding

FIELD = "cicp"  # of an image whose colours are still to be converted: primaries x 256 + transfer
_PROFILE = "icc-profile-data"

Matrix = tuple[tuple[float, float, float], ...]
# From linear light of H.273's primaries to that of sRGB, adapted to its white (Bradford); `tests` compute them anew.
PRIMARIES: dict[int, Matrix] = {
    4: ((1.486157, -0.403555, -0.082602), (-0.025101, 0.954025, 0.071076), (-0.027224, -0.044095, 1.071319)),
    5: ((1.044043, -0.044043, 0.0), (0.0, 1.0, 0.0), (0.0, 0.011793, 0.988207)),
    6: ((0.939542, 0.050181, 0.010277), (0.017772, 0.965793, 0.016435), (-0.001622, -0.004370, 1.005991)),
    7: ((0.939542, 0.050181, 0.010277), (0.017772, 0.965793, 0.016435), (-0.001622, -0.004370, 1.005991)),
    8: ((1.346176, -0.339195, -0.006981), (-0.047351, 1.066052, -0.018701), (-0.021665, -0.061313, 1.082978)),
    9: ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730)),
    11: ((1.157516, -0.154962, -0.002554), (-0.041500, 1.045568, -0.004068), (-0.018050, -0.078578, 1.096628)),
    12: ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
    22: ((1.025252, -0.026548, 0.001295), (0.019394, 0.948028, 0.032578), (-0.001770, -0.001442, 1.003212)),
}
_SRGB_PRIMARIES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_BT2020 = frozenset({14, 15})
_PQ, _HLG = 16, 18
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
_OTHER_CURVES = _BT2020 | {_PQ, _HLG} | set(_GAMMAS)  # all others are shown as sRGB, as browsers do with BT.709's

_WHITE = 203  # cd/m²
_PQ_PEAK, _HLG_PEAK = 10_000 / _WHITE, 1_000 / _WHITE
_HLG_GAMMA = 1.2  # of a display of 1,000 cd/m² (BT.2100)
_LUMINANCE = ((0.2627, 0.6780, 0.0593),)  # of BT.2020, the primaries of HLG
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128  # BT.2100's, of PQ
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073  # likewise, of HLG
_STEPS = 65_535
_BRIGHTEST = 99.9  # percent of the pixels that are darker than what becomes white: a lamp's reflection may be cut off


def are_deep(coding: Coding) -> bool:
    """Whether 8 bits a channel would be too few: the curve is for displays that are a hundred times as bright."""
    return coding.transfer in {_PQ, _HLG}


def described(image: pyvips.Image, coding: Coding) -> pyvips.Image:
    """Return a decoded image in full range, with `FIELD` where its colours are not sRGB's."""
    if coding.limited:
        image = _in_full_range(image)
    has_profile = bool(image.get_typeof(_PROFILE))
    if has_profile and not coding.over_profile:
        return image
    if has_profile:
        image = image.copy()
        image.remove(_PROFILE)
    if coding.primaries in PRIMARIES or coding.transfer in _OTHER_CURVES:
        image = image.copy()
        image.set_type(pyvips.GValue.gint_type, FIELD, coding.primaries << 8 | coding.transfer)
    return image


def are_to_be_converted(image: pyvips.Image) -> bool:
    """Whether the image has `FIELD`."""
    return bool(image.get_typeof(FIELD))


def converted(image: pyvips.Image, then: Matrix | None = None) -> pyvips.Image:
    """Return an image with `FIELD` in sRGB, 8 bits a channel; its pixels are read more than once.

    With a matrix from sRGB's linear light to that of other primaries it is in these, with sRGB's curve.

    Of an image that is brighter than sRGB's white, the pixels are read at once.
    """
    primaries, transfer = divmod(int(image.get(FIELD)), 256)
    image = image.copy()
    image.remove(FIELD)
    colours, alpha = _apart(image)
    light = colours.maplut(_curve(transfer, deep=image.format == "ushort"))
    if transfer == _HLG:
        light *= (light.recomb([list(row) for row in _LUMINANCE]) ** (_HLG_GAMMA - 1)) * _HLG_PEAK
    if transfer in {_PQ, _HLG}:
        light = _tone_mapped(light)
    light = light.recomb([list(row) for row in PRIMARIES.get(primaries, _SRGB_PRIMARIES)])
    light = light.recomb([list(row) for row in then]) if then else light
    rgb = light.copy(interpretation="scrgb").colourspace("srgb")
    return rgb.bandjoin(alpha) if alpha else rgb


def _in_full_range(image: pyvips.Image) -> pyvips.Image:
    """Stretch 16 to 235 (of 255) to the whole range, and leave opacity alone."""
    one = 257 if image.format == "ushort" else 1  # 16 bits hold 8 by repeating them
    low = 16 * (256 if one > 1 else 1)
    factor = 255 * one / (219 * (256 if one > 1 else 1))
    bands = [factor] * image.bands
    offsets = [-low * factor] * image.bands
    if image.hasalpha():
        bands[-1], offsets[-1] = 1.0, 0.0
    return (image.linear(bands, offsets) + 0.5).cast(image.format).copy(interpretation=image.interpretation)


def _apart(image: pyvips.Image) -> tuple[pyvips.Image, pyvips.Image | None]:
    """Return red, green and blue, and opacity in 8 bits, if there is one."""
    alpha = None
    if image.hasalpha():
        alpha = image[image.bands - 1]
        alpha = (alpha >> 8).cast("uchar") if image.format == "ushort" else alpha
        image = image.extract_band(0, n=image.bands - 1)
    return image if image.bands > 1 else image.bandjoin([image, image]), alpha


def _curve(transfer: int, *, deep: bool) -> pyvips.Image:
    """Return the light of each number: 1 is sRGB's white, but for HLG the scene's brightest."""
    numbers = pyvips.Image.identity(ushort=True) / _STEPS if deep else pyvips.Image.identity() / 255
    if transfer == _PQ:
        return _from_pq(numbers)
    if transfer == _HLG:
        return (numbers <= 0.5).ifthenelse(numbers**2 / 3, (((numbers - _C) / _A).exp() + _B) / 12)  # noqa: PLR2004
    if transfer in _BT2020:
        return (numbers < 4.5 * 0.0181).ifthenelse(numbers / 4.5, ((numbers + 0.0993) / 1.0993) ** (1 / 0.45))
    if transfer in _GAMMAS:
        return numbers ** _GAMMAS[transfer]
    return (numbers <= 0.04045).ifthenelse(numbers / 12.92, ((numbers + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004


def _from_pq(numbers: pyvips.Image) -> pyvips.Image:
    root = numbers ** (1 / _M2)
    low = root - _C1
    return ((low > 0).ifthenelse(low, 0) / (_C2 - _C3 * root)) ** (1 / _M1) * _PQ_PEAK


def _to_pq(light: pyvips.Image) -> pyvips.Image:
    power = (light / _PQ_PEAK) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _tone_mapped(light: pyvips.Image) -> pyvips.Image:
    """Compress what is brighter than white; all channels of a pixel by one factor, so that hues stay."""
    brightest = light[0].maxpair(light[1]).maxpair(light[2])
    steps = ((brightest / _PQ_PEAK) ** 0.25 * _STEPS + 0.5).cast("ushort").copy_memory()  # finer where it is dark
    peak = _PQ_PEAK * (int(steps.percent(_BRIGHTEST)) / _STEPS) ** 4
    return light * steps.maplut(_factors(peak)) if peak > 1 else light


def _factors(peak: float) -> pyvips.Image:
    """Return the factor for each step of brightness: BT.2390's curve, from a black of zero, for a `peak`."""
    light = ((pyvips.Image.identity(ushort=True).linear(1, 0) / _STEPS) ** 4) * _PQ_PEAK
    whole = float(_to_pq(pyvips.Image.black(1, 1) + peak).avg())
    white = float(_to_pq(pyvips.Image.black(1, 1) + 1).avg()) / whole
    knee = 1.5 * white - 0.5
    number = _to_pq(light) / whole
    number = (number < 1).ifthenelse(number, 1)
    t = (number - knee) / (1 - knee)
    curved = (t**3 * 2 - t**2 * 3 + 1) * knee + (t**3 - t**2 * 2 + t) * (1 - knee) + (t**2 * 3 - t**3 * 2) * white
    mapped = _from_pq((number < knee).ifthenelse(number, curved) * whole)
    return (light > 0).ifthenelse(mapped / light, 1)
