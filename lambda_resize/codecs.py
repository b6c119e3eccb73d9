"""The output formats, their defaults, and the encoding of previews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pyvips

from lambda_resize import chroma, vips
from lambda_resize.errors import TooLarge
from prewmanager_presets import Spec
from prewmanager_presets.qualities import DEFAULT_QUALITIES, LOWER_QUALITIES, equal_quality

# Up to this size, Huffman tables computed for the image save 5 to 12 % of a JPEG in under a millisecond; above it,
# hardly more than 1 % (720x588: 68.0 instead of 68.9 KB) for a tenth of the whole time (3 of 31 ms).
OPTIMIZED_JPEG_PIXELS = 2**17


# Of a megapixel, AVIF's effort 4 takes 2 s; larger previews have 3, or the largest would not be done in time.
SLOW_AVIF, SLOW_AVIF_PIXELS = 4, 2**20
# Of 13 megapixels, ten bits a channel take 653 MB and eight 457.
DEEP_AVIF_PIXELS = 2**22


@dataclass(frozen=True)
class Encoder:
    """One output format.

    Attributes:
        content_type: Its media type.
        saver: libvips' operation.
        effort: Default effort of the encoder, the fastest; of WebP and AVIF in sharp's scale.
        max_side: Largest width and height that the format or its encoder can hold, in pixels.
        alpha: Whether it supports transparency.
        animated: Whether it supports animation.
        options: Further options of the saver.
        efforts: Options of the saver by effort, if they are not an option `effort` of its own; not for what moves.
        distance: By effort, the quality's distance from 100 in parts of the lower efforts', for what looks the same.
        chroma: Options of the saver with colour at half and at whole resolution, if it has a choice.
        always_whole: Whether whole chroma takes fewer bytes for the same look of any picture.
    """

    content_type: str
    saver: str
    max_side: int
    alpha: bool
    animated: bool = False
    effort: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    efforts: Sequence[Mapping[str, Any]] = ()
    distance: Mapping[int, float] = field(default_factory=dict)
    chroma: Sequence[Mapping[str, Any]] = ()
    always_whole: bool = False


# mozjpeg's, which is in libvips' wheel. Its quantisation table 2 is tuned for MS-SSIM; SSIMULACRA2 and butteraugli
# confirm it: fewer bytes than tables 0, 3 and 4 at equal scores, and the look of the standard's table 0 at one quality.
_PROGRESSIVE = {"interlace": True, "optimize_coding": True, "quant_table": 2}
_SCANS = {**_PROGRESSIVE, "optimize_scans": True}
# 0 is sharp's: baseline. What the others cost and save is in docs/images.md.
_JPEG_EFFORTS = ({"interlace": False}, _PROGRESSIVE, _SCANS, {**_SCANS, "trellis_quant": True})
# libwebp's, but with the last one further means of fewer bytes at one score; 2 and 3 times the time of its 6 and 5.
_WEBP_EFFORTS: tuple[Mapping[str, Any], ...] = (
    *({"effort": level} for level in range(6)),
    {"effort": 6, "preset": "picture", "smart_subsample": True, "smart_deblock": True},
)
_SUBSAMPLED = ({"subsample_mode": "on"}, {"subsample_mode": "off"})
# 0: a photo of 720x588 takes 662 KB and 37 ms; without a row filter (sharp's default), 999 KB and 45 ms; with
# level 6 and the best filter for each row, 650 KB and 91 ms. Screenshots get smaller as well.
_PNG_EFFORTS = (
    {"compression": 3, "filter": "avg"},
    {"compression": 6, "filter": "all"},
    {"compression": 9, "filter": "all"},
)

ENCODERS: Mapping[str, Encoder] = {
    "jpeg": Encoder(
        "image/jpeg",
        "jpegsave_buffer",
        max_side=65_500,
        alpha=False,
        options={"subsample_mode": "on"},  # as sharp: colour at half resolution
        efforts=_JPEG_EFFORTS,
        distance={3: 0.915},
        chroma=_SUBSAMPLED,
    ),
    "png": Encoder(
        "image/png",
        "pngsave_buffer",
        max_side=2**31 - 1,
        alpha=True,
        efforts=_PNG_EFFORTS,
    ),
    "webp": Encoder(
        "image/webp",
        "webpsave_buffer",
        max_side=16_383,
        alpha=True,
        animated=True,
        # Low, since a client waits. Encoding 720x588 takes with effort 0: 15 ms, 61.9 KB; 1: 19 ms, 55.0 KB;
        # 2: 24 ms, 49.4 KB; 3: 56 ms, 47.5 KB; 4, sharp's default: 61 ms, 47.5 KB.
        effort=1,
        efforts=_WEBP_EFFORTS,
        distance={6: 1.1},
        # It has colour at half resolution alone, but may choose it so that edges stay sharp.
        chroma=({}, {"smart_subsample": True}),
    ),
    "avif": Encoder(
        "image/avif",
        "heifsave_buffer",
        max_side=16_384,
        alpha=True,
        # Likewise. On one core, 720x588 takes with effort 0: 50 ms, 29.0 KB; 1: 170 ms, 27.6 KB; 2: 360 ms, 27.2 KB;
        # 4, sharp's default: 2.8 s, 25.3 KB.
        effort=1,
        options={"compression": "av1"},
        chroma=_SUBSAMPLED,
        always_whole=True,  # 4 % fewer bytes at equal SSIMULACRA2, as measured for docs/images.md
    ),
}


def encode(image: pyvips.Image, target: str, spec: Spec, *, kept: str = "none") -> bytes:
    """Encode the preview; only now does libvips decode and scale, as planned before.

    Args:
        image: The preview's pixels; all frames one below the other.
        target: The output format, a key of `ENCODERS`.
        spec: The source of quality and effort.
        kept: Which metadata are written, as libvips names them.

    Raises:
        Corrupt: The pixels cannot be decoded.
        Unsupported: The photo is of a kind that cannot be decoded, even if intact.
        TooLarge: A side exceeds the format's limit.
    """
    encoder = ENCODERS[target]
    width, height = image.width, image.get_page_height()
    if max(width, height) > encoder.max_side:
        raise TooLarge(f"{width}x{height} pixels, {target} holds at most {encoder.max_side} a side")
    options = dict(encoder.options)
    if target in DEFAULT_QUALITIES:
        options["Q"] = quality(spec, target) or DEFAULT_QUALITIES[target]
    wanted = effort(spec, target)
    options |= encoder.efforts[wanted] if encoder.efforts and height == image.height else {"effort": wanted}
    if target == "avif":
        options["bitdepth"] = int(spec.avif_bitdepth or 8) if width * height <= DEEP_AVIF_PIXELS else 8
        options["effort"] = min(wanted, SLOW_AVIF - 1) if width * height > SLOW_AVIF_PIXELS else wanted
    if target == "jpeg":
        options.setdefault("optimize_coding", width * height <= OPTIMIZED_JPEG_PIXELS)
    if "Q" in options:
        options["Q"] = round(100 - (100 - options["Q"]) * encoder.distance.get(wanted, 1))
    with vips.decoding():
        if encoder.chroma and spec.chroma:
            image, whole = chroma.measured(image, spec.chroma, always=encoder.always_whole)
            options |= encoder.chroma[whole]
        return cast("bytes", getattr(image, encoder.saver)(keep=kept, **options))


def encode_within(image: pyvips.Image, target: str, spec: Spec, *, kept: str = "none") -> bytes:
    """Encode as `encode`; where that is larger than the spec's `max_bytes`, at lower qualities, one after the other.

    Returns the smallest if even that is larger. Then the pixels have to be in memory.
    """
    made = encode(image, target, spec, kept=kept)
    first = quality(spec, target) or DEFAULT_QUALITIES.get(target, 0)
    for wanted in (equal_quality(target, each) for each in LOWER_QUALITIES):
        if spec.max_bytes is None or len(made) <= spec.max_bytes:
            break
        if wanted < first:
            lower: dict[str, Any] = {f"{target}_quality": wanted}
            made = encode(image, target, replace(spec, **lower), kept=kept)
    return made


def quality(spec: Spec, target: str) -> int | None:
    """Return the spec's quality for an output format: the format's own, else the common one, else None."""
    own: int | None = getattr(spec, f"{target}_quality", None)
    return own or spec.quality


def effort(spec: Spec, target: str) -> int:
    """Return the effort for an output format: the spec's, else the fastest."""
    own: int | None = getattr(spec, f"{target}_effort")
    return ENCODERS[target].effort if own is None else own
