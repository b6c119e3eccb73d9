"""Real photos for measurements, out of npm packages: Start Bootstrap's themes, which are under the MIT licence."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

from rich.console import Console

from benchmarks.images.photo import REAL
from benchmarks.parts import ROOT

_CACHE = ROOT / ".local" / "web-photos"
_FOLDER = "package/dist/assets/img"
# 900 to 1,900 pixels wide.
PHOTOS = {
    "startbootstrap-creative@7.0.7": ("bg-masthead.jpg",),
    "startbootstrap-grayscale@7.0.6": ("bg-masthead.jpg", "bg-signup.jpg"),
    "startbootstrap-landing-page@6.0.6": (
        "bg-masthead.jpg",
        "bg-showcase-1.jpg",
        "bg-showcase-2.jpg",
        "bg-showcase-3.jpg",
    ),
}


def all_present(console: Console) -> list[Path]:
    """Return the photos, cached in .local, and the one beside the checkout; print which package cannot be had."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    found = [REAL] if REAL.is_file() else []
    for package, names in PHOTOS.items():
        archive = _CACHE / f"{package.replace('@', '-')}.tgz"
        npm = shutil.which("npm")
        if not archive.exists() and npm:
            subprocess.run([npm, "pack", "--silent", package], cwd=_CACHE, check=False, stdout=subprocess.DEVNULL)
        if archive.exists():
            found += [_unpacked(archive, name) for name in names]
        else:
            console.print(f"photos of {package}: skipped, npm cannot fetch it")
    return found


def _unpacked(archive: Path, name: str) -> Path:
    photo = _CACHE / f"{archive.stem}-{name}"
    if not photo.exists():
        with tarfile.open(archive) as package:
            file = package.extractfile(f"{_FOLDER}/{name}")
            if file is None:
                raise FileNotFoundError(f"{archive.name} has no {name}")
            photo.write_bytes(file.read())
    return photo
