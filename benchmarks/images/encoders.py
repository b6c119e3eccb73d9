"""Encoders to compare at equal quality: ours at each effort, and what others are or use. All get the same pixels."""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pyvips
from rich.console import Console

from benchmarks.images.contestants import Contestant, Worker
from benchmarks.parts import ROOT
from lambda_resize import codecs
from prewmanager_presets import Effort, Preset, Spec
from prewmanager_presets.efforts import EFFORTS

OURS = "prewmanager"
_JPEGLI = "pyjpegli==0.3.2"
_JPEGLI_HOME = ROOT / ".local" / "jpegli"
QUALITIES = {"jpeg": (72, 80, 88), "webp": (76, 84, 92), "avif": (50, 60, 70)}

Encode = Callable[[Path, int | None], tuple[bytes, float]]
"""Encodes a PNG at a quality; returns the bytes and milliseconds of CPU."""

# mozjpeg's own defaults, in libvips' wheel.
_MOZJPEG = {
    "interlace": True,
    "optimize_coding": True,
    "trellis_quant": True,
    "overshoot_deringing": True,
    "optimize_scans": True,
    "quant_table": 3,
    "subsample_mode": "on",
}
# What imgproxy hands to libvips by default: of JPEG its own tables, efforts 4 and 1, colour at half resolution.
_IMGPROXY: Mapping[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("jpegsave_buffer", {"optimize_coding": True, "subsample_mode": "on"}),
    "webp": ("webpsave_buffer", {"effort": 4}),
    "avif": ("heifsave_buffer", {"compression": "av1", "effort": 1, "subsample_mode": "on"}),
    "png": ("pngsave_buffer", {"compression": 6, "filter": "all"}),
}


@dataclass(frozen=True)
class Encoder:
    """An encoder of one format; the name says whose."""

    name: str
    output: str
    encode: Encode


def present(output: str, sharp: Contestant | None, console: Console) -> list[Encoder]:
    """Return the encoders of a format that can be had here; print what is missing."""
    found = [Encoder(f"{OURS}, {effort}", output, functools.partial(_ours, output, effort)) for effort in EFFORTS]
    saver, options = _IMGPROXY[output]
    found.append(Encoder("imgproxy's settings", output, functools.partial(_libvips, saver, options)))
    if sharp is not None:
        found.append(Encoder("sharp", output, _Sharp(output, sharp)))
    if output == "jpeg":
        found.append(Encoder("mozjpeg", output, functools.partial(_libvips, "jpegsave_buffer", _MOZJPEG)))
        if _has_jpegli(console):
            found.append(Encoder("jpegli", output, _jpegli))
    return found


def _ours(output: str, effort: Effort, picture: Path, quality: int | None) -> tuple[bytes, float]:
    preset = Preset(width=1, format=output, effort=effort)
    spec = Spec(**preset.spec | ({f"{output}_quality": quality} if quality else {}))
    return _timed(picture, lambda image: codecs.encode(image, output, spec))


def _libvips(saver: str, options: Mapping[str, Any], picture: Path, quality: int | None) -> tuple[bytes, float]:
    wanted = {**options, **({"Q": quality} if quality else {})}
    return _timed(picture, lambda image: bytes(getattr(image, saver)(keep="none", **wanted)))


def _jpegli(picture: Path, quality: int | None) -> tuple[bytes, float]:
    encode = import_module("pyjpegli").encode
    return _timed(picture, lambda image: bytes(encode(image.write_to_memory(), image.width, image.height, quality)))


def _timed(picture: Path, encode: Callable[[pyvips.Image], bytes]) -> tuple[bytes, float]:
    image = pyvips.Image.new_from_file(str(picture)).copy_memory()
    times = []
    for _ in range(2):
        start = time.process_time()
        made = encode(image)
        times.append((time.process_time() - start) * 1000)
    return made, min(times)


class _Sharp:
    """sharp's defaults, in a process of Node; its CPU includes reading an uncompressed PNG."""

    def __init__(self, output: str, contestant: Contestant) -> None:
        self._output = output
        self._worker = Worker(contestant, 1)

    def __call__(self, picture: Path, quality: int | None) -> tuple[bytes, float]:
        width = pyvips.Image.new_from_file(str(picture)).width
        result = picture.with_suffix(f".sharp.{self._output}")
        self._worker.make(picture, result, width, self._output, quality=quality)
        return result.read_bytes(), self._worker.cpu_ms


def _has_jpegli(console: Console) -> bool:
    if not (_JPEGLI_HOME / "pyjpegli-0.3.2.dist-info").exists():
        options = [
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary=:all:",
            f"--target={_JPEGLI_HOME}",
        ]
        if subprocess.run([sys.executable, "-m", "pip", "install", *options, _JPEGLI], check=False).returncode:
            console.print("jpegli: skipped, pip has no wheel of pyjpegli for this machine")
            return False
    if str(_JPEGLI_HOME) not in sys.path:
        sys.path.append(str(_JPEGLI_HOME))
    return True
