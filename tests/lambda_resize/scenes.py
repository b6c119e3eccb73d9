"""Pictures whose previews are compared with goldens: uploads, specs, and likely defects.

`python -m tests.lambda_resize.scenes` rewrites the goldens. Review them before committing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image

from lambda_resize.resize import resize
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import TREATMENTS, encode, exif, opened, stored
from tests.lambda_resize.wide_gamut import ADOBE_RGB, DISPLAY_P3, PROPHOTO, Space

GOLDENS = Path(__file__).parent / "goldens"
WIDTH, HEIGHT = 320, 220
SMALL = Spec(width=96, format="png")


@dataclass(frozen=True)
class Case:
    """One upload.

    Attributes:
        golden: The picture that its preview must resemble; several uploads share one.
        data: The upload.
        spec: The preview to render.
        wrong: Defects by name, each as an upload and spec that give the same picture as the defect.
    """

    golden: str
    data: bytes
    spec: Spec
    wrong: Mapping[str, tuple[bytes, Spec]]


@cache
def landscape() -> NDArray[np.float64]:
    """Return an sRGB picture, 0 to 1, that differs from its rotations and reflections."""
    y, x = np.mgrid[0 : 1 : HEIGHT * 1j, 0 : 1 : WIDTH * 1j]
    picture = np.stack([0.25 + 0.5 * y, 0.5 + 0.3 * y, 0.95 - 0.3 * y], axis=2)
    sun = np.hypot(x - 0.22, (y - 0.25) * HEIGHT / WIDTH) < 0.09
    picture[sun] = (0.98, 0.85, 0.2)
    hills = y > 0.55 + 0.08 * np.sin(9 * x) - 0.1 * x
    picture[hills] = np.stack([0.2 + 0.15 * x, 0.6 - 0.25 * x, 0.15 + 0.1 * y], axis=2)[hills]
    trunks = (np.sin(70 * x) > 0.3) & (x > 0.62) & (y > 0.3) & (y < 0.75)
    picture[trunks] = (0.35, 0.2, 0.1)
    hue = np.stack([0.5 + 0.4 * np.cos(6.283 * (x - phase / 3)) for phase in range(3)], axis=2)
    return np.where((y > 0.85)[..., None], hue, picture)


def _eight_bits(picture: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.round(picture * 255).astype(np.uint8))


def _turned(orientation: int, tagged: int) -> bytes:
    """Return the file as a camera in this orientation stores it, with an EXIF orientation that may be another."""
    held = stored(_eight_bits(landscape()), orientation)
    return encode(held, "JPEG", quality=95, subsampling=0, exif=exif(tagged))


def _wide(space: Space, *, deep: bool, profile: bool = True) -> bytes:
    """Return the landscape in another colour space, with 8 or 16 bits a channel."""
    numbers = space.numbers(landscape())
    values = np.round(numbers * 65535).astype(np.uint16) if deep else np.round(numbers * 255).astype(np.uint8)
    image = pyvips.Image.new_from_array(values).copy(interpretation="rgb16" if deep else "srgb")
    if profile:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", space.profile())
    return bytes(image.pngsave_buffer(keep="icc"))


def printed(*, profile: bool = True) -> bytes:
    """Return the landscape in CMYK, with libvips' own profile, which is also the one of files without."""
    rgb = pyvips.Image.new_from_array(np.asarray(_eight_bits(landscape()))).copy(interpretation="srgb")
    cmyk = rgb.icc_transform("cmyk", input_profile="srgb", intent="relative")
    return bytes(cmyk.jpegsave_buffer(Q=95, subsample_mode="off", keep="icc" if profile else "none"))


def _glass() -> bytes:
    """Return the landscape through a round window with a fading rim; outside it is transparent, over red pixels."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    away = np.hypot(x - WIDTH / 2, y - HEIGHT / 2)
    alpha = np.clip((100 - away) / 40, 0, 1)
    colours = np.where((alpha > 0)[..., None], landscape(), (1.0, 0.0, 0.0))
    return encode(_eight_bits(np.dstack([colours, alpha])), "PNG")


def _opaque() -> bytes:
    return encode(_eight_bits(landscape()), "PNG")


def _on(background: str, **fields: Any) -> Spec:
    return Spec(width=96, format="jpeg", quality=95, background=background, **fields)


def cases() -> dict[str, Callable[[], Case]]:
    """Return all cases by name; each is created on request."""
    made: dict[str, Callable[[], Case]] = {f"orientation {n}": partial(_orientation, n) for n in TREATMENTS}
    for name, space, deep in (
        ("Display P3", DISPLAY_P3, False),
        ("Adobe RGB", ADOBE_RGB, False),
        ("Adobe RGB, 16 bits", ADOBE_RGB, True),
        ("ProPhoto, 16 bits", PROPHOTO, True),
    ):
        made[name] = partial(_in_space, space, deep=deep)
    return made | {"CMYK": _cmyk, "clear": _clear, "on white": _on_white, "on blue": _on_blue, "in a box": _in_a_box}


def _orientation(number: int) -> Case:
    # Only among rotated or among unrotated orientations: otherwise the wrong size alone would reveal the defect.
    alike = [other for other in TREATMENTS if other != number and (other > 4) == (number > 4)]
    wrong = {f"read as {other}": (_turned(number, other), SMALL) for other in alike}
    return Case("landscape", _turned(number, number), SMALL, wrong)


def _in_space(space: Space, *, deep: bool) -> Case:
    dropped = _wide(space, deep=deep, profile=False)
    return Case("landscape", _wide(space, deep=deep), SMALL, {"profile dropped": (dropped, SMALL)})


def _cmyk() -> Case:
    return Case("printed", printed(), SMALL, {"by its numbers alone": (_by_numbers(), SMALL)})


def _by_numbers() -> bytes:
    """Return what was printed in RGB, as if inks were exact opposites of light."""
    cmyk = np.asarray(pyvips.Image.new_from_buffer(printed(), "")).astype(float) / 255
    return encode(_eight_bits((1 - cmyk[..., :3]) * (1 - cmyk[..., 3:])), "PNG")


def _clear() -> Case:
    return Case("clear", _glass(), SMALL, {"on white": (_glass(), _on("#ffffff")), "opaque": (_opaque(), SMALL)})


def _on_white() -> Case:
    spec = _on("#ffffff")
    return Case("on-white", _glass(), spec, {"on black": (_glass(), _on("#000000")), "opaque": (_opaque(), spec)})


def _on_blue() -> Case:
    spec = _on("#204080")
    return Case("on-blue", _glass(), spec, {"on white": (_glass(), _on("#ffffff")), "opaque": (_opaque(), spec)})


def _in_a_box() -> Case:
    """Padding and the background behind transparency are one colour."""
    box: dict[str, Any] = {"height": 96, "fit": "contain", "position": "bottom"}
    spec, elsewhere = _on("#204080", **box), _on("#204080", **box | {"position": "top"})
    return Case("in-a-box", _glass(), spec, {"at the top": (_glass(), elsewhere), "opaque": (_opaque(), spec)})


def write() -> None:
    """Write each golden from the first case that has it."""
    GOLDENS.mkdir(exist_ok=True)
    for make in reversed(cases().values()):
        case = make()
        opened(resize(case.data, case.spec)).save(GOLDENS / f"{case.golden}.png", optimize=True)


if __name__ == "__main__":
    write()
