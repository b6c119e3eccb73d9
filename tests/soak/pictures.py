"""The pictures that photos are copies of, and the exact bytes of each of their previews."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyvips

from lambda_resize.preview import Preview
from lambda_resize.resize import resize_many
from prewmanager.previews.variants import all_variants
from prewmanager_presets import Preset, Spec

PRESETS = {
    "thumb": Preset(width=160),
    "card": Preset(width=480, companions=("thumb",)),
    "square": Preset(width=200, height=200),
    # Larger than what a result holds: the waiters of other replicas get it from S3.
    "large": Preset(width=900),
    "auto": Preset(width=240, format="auto"),
}
# The size above which Redis and the function's answers leave the bytes out, so that they are streamed.
INLINED_BYTES = 60_000
ACCEPT = {"auto": "*/*", "auto.webp": "image/webp,*/*", "auto.avif": "image/avif,image/webp,*/*"}
VARIANTS = all_variants(PRESETS)
_COUNT = 16


@dataclass(frozen=True)
class Picture:
    """A picture as it is uploaded, and the right bytes of its previews by variant; without any if it is damaged.

    A preview that shares a decoding with its companions may differ in a few pixels from one that is rendered alone.
    """

    name: str
    data: bytes
    previews: Mapping[str, frozenset[bytes]]


def preset_variables() -> dict[str, str]:
    """Return the service's variables of the presets."""
    variables: dict[str, str] = {}
    for name, preset in PRESETS.items():
        fields = {"WIDTH": preset.width, "HEIGHT": preset.height, "COMPANIONS": ",".join(preset.companions)}
        fields |= {"FORMAT": preset.format if preset.format == "auto" else ""}
        variables |= {f"PREW_PRESETS__{name.upper()}__{field}": str(value) for field, value in fields.items() if value}
    return variables


def pictures(count: int = _COUNT) -> list[Picture]:
    """Return different pictures of several formats with their previews, rendered by the image core."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(_picture, range(count)))


def damaged() -> list[Picture]:
    """Return files that are no picture, or half of one."""
    whole = _encoded(99, ".jpg")
    return [Picture("text", b"not a picture at all\n" * 40, {}), Picture("half", whole[: len(whole) // 2], {})]


def _picture(number: int) -> Picture:
    suffix = {3: ".png", 5: ".webp"}.get(number % 8, ".jpg")
    data = _encoded(number, suffix)
    return Picture(f"{number}{suffix}", data, {variant: frozenset(_renders(data, variant)) for variant in VARIANTS})


def _renders(data: bytes, variant: str) -> Iterator[bytes]:
    """Yield the variant's preview rendered alone, and in each batch that a request can cause."""
    batches = [[name, *preset.companions] for name, preset in VARIANTS.items() if preset.companions]
    for batch in [[variant], *(each for each in batches if variant in each)]:
        specs = [Spec(**VARIANTS[name].spec) for name in batch]
        preview = dict(zip(batch, resize_many(data, specs), strict=True))[variant]
        assert isinstance(preview, Preview)
        yield preview.data


def _encoded(number: int, suffix: str) -> bytes:
    """Return clouds of colour with some grain, different for each number."""
    random = np.random.default_rng(number)
    coarse = pyvips.Image.new_from_array(random.integers(0, 255, (8, 12, 3), dtype=np.uint8)).copy(
        interpretation="srgb"
    )
    grain = pyvips.Image.gaussnoise(1200, 800, sigma=9, mean=0, seed=number)
    image = (coarse.resize(100) + grain).cast("uchar").copy(interpretation="srgb")
    return bytes(image.write_to_buffer(suffix))
