"""ImageMagick's program, one process per preview, as its users run it."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from benchmarks.images.workers.protocol import serve


def _resize(data: bytes, request: dict[str, Any]) -> bytes:
    program = shutil.which("magick") or "convert"
    width, quality = request["width"], request.get("quality")
    shrink = ["-define", f"jpeg:size={2 * width}x{2 * width}"]
    options = ["-quality", str(quality)] if quality else []
    argv = [program, *shrink, "-", "-auto-orient", "-resize", str(width), "-strip", *options, f"{request['format']}:-"]
    return subprocess.run(argv, input=data, capture_output=True, check=True).stdout


if __name__ == "__main__":
    serve(_resize)
