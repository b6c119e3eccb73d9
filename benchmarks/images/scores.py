"""SSIMULACRA2 of a preview, by the Rust implementation, which cargo builds into .local."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pyvips
from rich.console import Console

from benchmarks.parts import ROOT

_HOME = ROOT / ".local" / "ssimulacra2"
_PROGRAM = _HOME / "bin" / "ssimulacra2_rs"
_BUILD = ("install", "--quiet", "--locked", "--no-default-features", "--version=0.5.2", "ssimulacra2_rs")


def is_present(console: Console) -> bool:
    """Whether the program is built; builds it if cargo is here, else prints what is missing."""
    if _PROGRAM.exists():
        return True
    cargo = shutil.which("cargo")
    if cargo and not subprocess.run([cargo, *_BUILD, f"--root={_HOME}"], check=False).returncode:
        return True
    console.print("equal quality: skipped, SSIMULACRA2 needs cargo to build ssimulacra2_rs")
    return False


def ssimulacra2(reference: Path, preview: bytes) -> float:
    """Return the score of an encoded preview against a PNG of its exact pixels: 100 for equal ones, less for others."""
    pixels = pyvips.Image.new_from_buffer(preview, "").colourspace("srgb")
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        pixels.pngsave(file.name, compression=0, filter="none", keep="none")
        argv = [str(_PROGRAM), "image", str(reference), file.name]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
