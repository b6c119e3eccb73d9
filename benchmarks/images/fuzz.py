"""Mutated files: truncated, with flipped bits, false headers or parts of other files; deterministic."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any

import numpy as np
import pillow_heif
import typer
from PIL import Image
from rich.console import Console

from benchmarks.images import trials
from benchmarks.images.trials import Trial
from prewmanager_presets import Spec

_SIZE = (64, 48)
_HEADER = 96  # most formats store their size within these bytes
_EXTREMES = (
    b"\0",
    b"\xff",
    b"\x7f\xff",
    b"\xff\xff",
    b"\x80\0\0\0",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\1",
)
_SPECS = (
    Spec(width=20),
    Spec(width=90, height=90, fit="contain", enlarge=True, format="jpeg"),
    Spec(width=30, height=30, position="attention", format="png"),
    Spec(width=25, animated=True),
    Spec(width=25, animated=True, best_effort=True, format="webp"),
    Spec(height=16, best_effort=True, transparent="keep", format="jpeg", sharpen=1),
)


@cache
def seeds() -> dict[str, bytes]:
    """Return small intact files of each kind."""
    import pyvips  # noqa: PLC0415 -- `lambda_resize.vips` configures it, and must be imported first

    picture = Image.fromarray(np.random.default_rng(7).integers(0, 255, (48, 64, 3), dtype=np.uint8)).resize(_SIZE)
    exif = Image.Exif()
    exif[0x0112] = 6
    tiff: dict[str, Any] = {"none": {}, "lzw": {"compression": "tiff_lzw"}, "jpeg": {"compression": "jpeg"}}
    return {
        "jpeg": _saved(picture, "JPEG"),
        "jpeg-progressive": _saved(picture, "JPEG", progressive=True, exif=exif),
        "jpeg-cmyk": _saved(picture.convert("CMYK"), "JPEG"),
        "png": _saved(picture, "PNG"),
        "png-palette": _saved(picture.quantize(32), "PNG", transparency=3),
        "png-alpha": _saved(picture.convert("RGBA"), "PNG"),
        "png-interlaced": pyvips.Image.new_from_array(np.asarray(picture)).pngsave_buffer(interlace=True, bitdepth=8),
        "gif": _saved(picture, "GIF"),
        "gif-animated": _saved(picture, "GIF", save_all=True, append_images=[picture.rotate(90), picture.rotate(45)]),
        "webp": _saved(picture, "WEBP"),
        "webp-lossless": _saved(picture.convert("RGBA"), "WEBP", lossless=True),
        "webp-animated": _saved(picture, "WEBP", save_all=True, append_images=[picture.rotate(90)]),
        **{f"tiff-{name}": _saved(picture, "TIFF", **options) for name, options in tiff.items()},
        "avif": _saved(picture, "AVIF", speed=10),
        "heic": _heic(picture),
    }


def _saved(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def _heic(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture).save(buffer, quality=60)
    return buffer.getvalue()


def mutated(count: int, first: int = 0) -> Iterator[Trial]:
    """Yield mutants from number `first` on; each depends only on its number."""
    names = sorted(seeds())
    for number in range(first, first + count):
        chance = random.Random(number)
        name = chance.choice(names)
        data = seeds()[name]
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            data = chance.choice(_MUTATIONS)(data, chance)
        yield Trial(name, f"{name} {number}", data, chance.choice(_SPECS), placeholder=chance.randrange(10) == 0)


def _truncated(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(data), chance.choice((1, 2, 8, 64)))):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _lying(data: bytes, chance: random.Random) -> bytes:
    at, lie = chance.randrange(_HEADER), chance.choice(_EXTREMES)
    return data[:at] + lie + data[at + len(lie) :]


def _overwritten(data: bytes, chance: random.Random) -> bytes:
    at, length = chance.randrange(len(data) + 1), chance.choice((4, 16, 200))
    return data[:at] + chance.choice((bytes(length), chance.randbytes(length))) + data[at + length :]


def _repeated(data: bytes, chance: random.Random) -> bytes:
    start, end = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
    return data[:end] + data[start:]


def _spliced(data: bytes, chance: random.Random) -> bytes:
    other = seeds()[chance.choice(sorted(seeds()))]
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other)) :]


_MUTATIONS = (_truncated, _flipped, _flipped, _lying, _lying, _overwritten, _repeated, _spliced)


def main(
    count: Annotated[int, typer.Option(help="how many files")] = 20_000,
    first: Annotated[int, typer.Option(help="number of the first mutant")] = 0,
) -> None:
    """Try mutants and print the outcomes; the exit code is 1 if one crashed, hung or got no proper answer."""
    outcome = trials.run(mutated(count, first))
    console = Console()
    for kind in sorted({kind for _, kind in outcome.kinds}):
        console.print(f"{kind:12} {outcome.count(kind):6}")
    trials.conclude(outcome, console)


if __name__ == "__main__":
    typer.run(main)
