"""Colours that are described by code points (cICP, nclx), against the formulas of the standards, in numpy."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image

from lambda_resize import colours
from lambda_resize.containers import av1, heif, png
from lambda_resize.containers.cicp import Coding
from tests.lambda_resize.hostile import rasters
from tests.lambda_resize.pictures import colour, delta_e, encode, furthest, rendered
from tests.lambda_resize.scenes import landscape
from tests.lambda_resize.wide_gamut import DISPLAY_P3

Pixels = NDArray[np.float64]

# White point and primaries as x and y (H.273, table 2).
D65, C, DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
CHROMATICITIES = {
    1: (D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    4: (C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    7: (D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    8: (C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: (D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: (DCI, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: (D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    22: (D65, (0.63, 0.34), (0.295, 0.605), (0.155, 0.077)),
}
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def _xyz(x: float, y: float) -> Pixels:
    return np.array([x / y, 1, (1 - x - y) / y])


def to_srgb(primaries: int) -> Pixels:
    """Return the matrix from light of these primaries to that of sRGB."""

    def to_xyz(number: int) -> tuple[Pixels, Pixels]:
        white, *rgb = CHROMATICITIES[number]
        columns = np.array([(x, y, 1 - x - y) for x, y in rgb]).T
        return columns * np.linalg.solve(columns, _xyz(*white)), _xyz(*white)

    (srgb, white), (other, others_white) = to_xyz(1), to_xyz(primaries)
    cones = np.diag((BRADFORD @ white) / (BRADFORD @ others_white))
    return np.asarray(np.linalg.inv(srgb) @ np.linalg.inv(BRADFORD) @ cones @ BRADFORD @ other)


def _srgb(light: Pixels) -> Pixels:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _pq(light: Pixels) -> Pixels:
    power = (np.clip(light, 0, None) * 203 / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def _hlg(light: Pixels) -> Pixels:
    shown = np.clip(light, 0, None) * 203 / 1_000
    luminance = (shown @ (0.2627, 0.678, 0.0593))[..., None]
    scene = shown * np.where(luminance > 0, luminance, 1) ** (1 / 1.2 - 1)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def _bt2020(light: Pixels) -> Pixels:
    light = np.clip(light, 0, 1)
    return np.where(light < 0.0181, 4.5 * light, 1.0993 * light**0.45 - 0.0993)


CURVES: dict[int, Callable[[Pixels], Pixels]] = {
    1: _srgb, 4: lambda light: np.clip(light, 0, 1) ** (1 / 2.2), 13: _srgb, 14: _bt2020, 15: _bt2020, 16: _pq, 18: _hlg
}  # fmt: skip


def scene() -> Pixels:
    """Return a landscape with patches of white, red, green and grey, in sRGB."""
    made = landscape()[:96, :160].copy()
    for place, patch in enumerate([(1, 1, 1), (1, 0, 0), (0, 0.6, 0), (0.5, 0.5, 0.5)]):
        made[:24, 24 * place : 24 * place + 24] = patch
    return made


def numbers(primaries: int, transfer: int, exposure: float = 1) -> Pixels:
    """Return the scene's numbers, 0 to 1, in these colours."""
    srgb = scene()
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4) * exposure
    return np.clip(CURVES[transfer](light @ np.linalg.inv(to_srgb(primaries)).T), 0, 1)


def _deep_png(values: Pixels, coding: bytes) -> bytes:
    """Return a PNG of 16 bits with `cICP`; the range is full if its last byte is 1."""
    stretched = values * 65_535 if coding[3] else (values * 219 + 16) * 256
    rows = b"".join(b"\0" + row.tobytes() for row in np.rint(stretched).astype(">u2"))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"cICP", coding), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return rasters.PNG + b"".join(rasters.chunk(*each) for each in chunks)


def _png(values: Pixels, primaries: int, transfer: int) -> bytes:
    return _deep_png(values, bytes([primaries, transfer, 0, 1]))


def _limited_png(values: Pixels, primaries: int, transfer: int) -> bytes:
    return _deep_png(values, bytes([primaries, transfer, 0, 0]))


def _heif(values: Pixels, primaries: int, transfer: int, **options: Any) -> bytes:
    deep = np.rint(values * 65_535).astype(np.uint16)
    picture = pillow_heif.from_bytes(mode="RGB;16", size=deep.shape[1::-1], data=deep.tobytes())
    described = {"color_primaries": primaries, "transfer_characteristics": transfer, "matrix_coefficients": 9}
    buffer = io.BytesIO()
    picture.save(
        buffer, **{"quality": 97, "chroma": 444, "full_range_flag": 1, "save_nclx_profile": True} | described | options
    )
    return buffer.getvalue()


def _limited_heif(values: Pixels, primaries: int, transfer: int) -> bytes:
    return _heif(values, primaries, transfer, full_range_flag=0)


def _avif(values: Pixels, primaries: int, transfer: int) -> bytes:
    """Return an AVIF of 8 bits; its description, but not AV1 inside, says which colours it has."""
    eight = Image.fromarray(np.rint(values * 255).astype(np.uint8))
    data = encode(eight, "AVIF", quality=97, subsampling="4:4:4", speed=9)
    at = data.index(b"colrnclx") + 8
    return data[:at] + primaries.to_bytes(2) + transfer.to_bytes(2) + data[at + 4 :]


@pytest.mark.parametrize("primaries", colours.PRIMARIES)
def test_the_matrices_follow_from_the_primaries(primaries: int) -> None:
    assert np.abs(np.array(colours.PRIMARIES[primaries]) - to_srgb(primaries)).max() < 2e-6


@pytest.mark.parametrize("written", [_png, _limited_png, _heif, _limited_heif, _avif])
@pytest.mark.parametrize(
    ("primaries", "transfer"),
    [(12, 13), (9, 13), (9, 14), (9, 15), (9, 16), (9, 18), (12, 16), (1, 16), (1, 4), (1, 13), (11, 13)],
)
def test_described_colours_become_srgb(written: Callable[..., bytes], primaries: int, transfer: int) -> None:
    values = numbers(primaries, transfer)
    picture = rendered(written(values, primaries, transfer), width=160, format="png")
    assert delta_e(picture, Image.fromarray(np.rint(scene() * 255).astype(np.uint8))) < 2
    assert furthest(colour(picture, 12, 12), (255, 255, 255)) <= 3
    assert furthest(colour(picture, 36, 12), (255, 0, 0)) <= 16


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("exposure", [2, 4.5])
def test_what_is_brighter_than_white_is_compressed(transfer: int, exposure: float) -> None:
    """The brightest becomes white, hues stay, and dark colours are as bright as they were."""
    picture = rendered(_png(numbers(9, transfer, exposure), 9, transfer), width=160, format="png")
    white, red, _, grey = (colour(picture, 12 + 24 * place, 12) for place in range(4))
    assert furthest(white, (255, 255, 255)) <= 2
    assert furthest(red, (255, 0, 0)) <= 12
    assert 160 < grey[0] < 240
    dark = rendered(_png(numbers(9, transfer, 0.2), 9, transfer), width=160, format="png")
    assert furthest(colour(dark, 12, 12), [124] * 3) <= 2  # a fifth of white's light


def test_opacity_and_grey_are_kept() -> None:
    clear = Image.new("RGBA", (40, 40), (255, 0, 0, 128))
    assert furthest(colour(rendered(_described(clear), width=20, format="png"), 9, 9), (255, 0, 0, 128)) <= 1
    grey = rendered(_described(Image.new("LA", (40, 40), (90, 128))), width=20, format="png")
    assert furthest(colour(grey, 9, 9), (90, 90, 90, 128)) <= 1


def test_code_points_of_a_png_count_more_than_its_profile() -> None:
    plain = Image.new("RGB", (40, 40), (200, 100, 50))
    both = _described(plain, icc_profile=DISPLAY_P3.profile())
    alone = _described(plain)
    assert rendered(both, width=20).tobytes() == rendered(alone, width=20).tobytes()


def test_a_profile_of_an_avif_counts_more_than_code_points() -> None:
    plain = Image.new("RGB", (40, 40), (200, 100, 50))
    profile = DISPLAY_P3.profile()
    both = encode(plain, "AVIF", icc_profile=profile)
    at = both.index(b"colrnclx") + 8
    lying = both[:at] + b"\0\x09\0\x10" + both[at + 4 :]
    assert rendered(lying, width=20).tobytes() == rendered(both, width=20).tobytes()


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("limited", [False, True])
def test_grey_heic_has_its_whole_range_at_any_depth(bits: int, *, limited: bool) -> None:
    ramp = np.tile(np.linspace(0, 65_535, 256).astype(np.uint16), (64, 1))
    stored = (16 * 256 + ramp / 65_535 * 219 * 256).astype(np.uint16) if limited else ramp
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    picture = (
        pillow_heif.from_pillow(Image.fromarray((stored >> 8).astype(np.uint8)))
        if bits == 8
        else pillow_heif.from_bytes(mode="I;16", size=(256, 64), data=stored.tobytes())
    )
    buffer = io.BytesIO()
    picture.save(buffer, quality=100)
    pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    data = buffer.getvalue()
    if limited:  # its encoder writes numbers as they are, so only the description is to be changed
        at = data.index(b"colrnclx") + 14
        data = data[:at] + b"\0" + data[at + 1 :]
    assert furthest(np.asarray(rendered(data, width=256, format="png").convert("L")), ramp >> 8) <= 3


def test_av1_itself_says_its_colours_where_the_description_does_not() -> None:
    data = encode(Image.new("RGB", (64, 64)), "AVIF")
    without = data.replace(b"colrnclx", b"skipnclx")
    assert heif.coding(data) == heif.coding(without) == Coding(1, 13)
    assert av1.coding(b"") is None


def test_a_png_without_code_points_has_none() -> None:
    assert png.coding(encode(Image.new("RGB", (8, 8)), "PNG")) == Coding()
    assert png.coding(b"") == Coding()


def _described(picture: Image.Image, **options: Any) -> bytes:
    """Return a PNG that says that it is Display P3."""
    data = encode(picture, "PNG", **options)
    return data[:33] + rasters.chunk(b"cICP", bytes([12, 13, 0, 1])) + data[33:]
