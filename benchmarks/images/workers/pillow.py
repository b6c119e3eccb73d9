"""Pillow, with the method its documentation recommends for thumbnails: shrink on load and a Lanczos filter."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageOps

from benchmarks.images.workers.protocol import serve

Image.MAX_IMAGE_PIXELS = None


def _resize(data: bytes, request: dict[str, Any]) -> bytes:
    image = Image.open(io.BytesIO(data))
    image.thumbnail((request["width"], 10**6), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    options = {"quality": request["quality"]} if request.get("quality") else {}
    ImageOps.exif_transpose(image).convert("RGB").save(buffer, request["format"], **options)
    return buffer.getvalue()


if __name__ == "__main__":
    serve(_resize)
