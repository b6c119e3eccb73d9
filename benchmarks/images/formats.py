"""Compares output formats on the same photos: bytes, SSIM and time at several qualities and efforts.

`python -m benchmarks.images.formats FOLDER` uses every JPEG below the folder that is at least WIDTH wide.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from PIL import Image

from benchmarks.images import quality
from lambda_resize import codecs
from lambda_resize.resize import resize
from prewmanager_presets import Spec

WIDTH = 720
SPECS = [
    *(Spec(width=WIDTH, format="jpeg", quality=at) for at in (75, 80, 85)),
    *(Spec(width=WIDTH, format="webp", quality=at) for at in (75, 80, 85)),
    *(Spec(width=WIDTH, format="webp", quality=80, webp_effort=effort) for effort in (0, 2, 3, 4, 6)),
    *(Spec(width=WIDTH, format="avif", quality=at) for at in (40, 45, 50, 55, 60, 65)),
    *(Spec(width=WIDTH, format="avif", quality=50, avif_effort=effort) for effort in (0, 2, 3, 4)),
]


def measure(photos: Sequence[Path], spec: Spec, folder: Path) -> tuple[float, float, float]:
    """Return kilobytes and SSIM, both averaged over the photos, and the median of the milliseconds."""
    sizes, likenesses, times = [], [], []
    for photo in photos:
        data = photo.read_bytes()
        start = time.perf_counter()
        preview = resize(data, spec)
        times.append(1000 * (time.perf_counter() - start))
        file = folder / "preview"
        file.write_bytes(preview.data)
        likenesses.append(quality.ssim(file, quality.reference(photo, preview.width, preview.height)))
        sizes.append(len(preview.data) / 1000)
    return sum(sizes) / len(sizes), sum(likenesses) / len(likenesses), median(times)


def main() -> None:
    """Print a row for each format, quality and effort."""
    found = sorted(Path(sys.argv[1]).rglob("*.jpg"))
    photos = [photo for photo in found if _is_wide(photo)]
    print(f"{len(photos)} photos, {WIDTH} wide")
    with tempfile.TemporaryDirectory() as folder:
        for spec in SPECS:
            size, likeness, ms = measure(photos, spec, Path(folder))
            name = f"{spec.format} {spec.quality}, effort {codecs.effort(spec, spec.format)}"
            print(f"{name:18} {size:7.1f} KB  SSIM {likeness:.4f}  {ms:6.0f} ms")


def _is_wide(photo: Path) -> bool:
    """Whether a photo is wide enough to be scaled down, and stored upright, which Pillow's reference requires."""
    with Image.open(photo) as image:
        return image.width > WIDTH and image.mode == "RGB" and image.getexif().get(0x0112, 1) == 1


if __name__ == "__main__":
    main()
