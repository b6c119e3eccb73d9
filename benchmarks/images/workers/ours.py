"""This project's image core."""

from __future__ import annotations

from typing import Any

from benchmarks.images.workers.protocol import serve
from lambda_resize.resize import resize
from lambda_resize.settings import Limits
from prewmanager_presets import Spec

# The benchmark by photo size exceeds the default limits.
_LIMITS = Limits(
    max_source_bytes=10**10, max_source_pixels=2_000_000_000, max_frame_pixels=2_000_000_000, max_seconds=600
)


def _resize(data: bytes, request: dict[str, Any]) -> bytes:
    spec = Spec(width=request["width"], format=request["format"], quality=request.get("quality"))
    return resize(data, spec, _LIMITS).data


if __name__ == "__main__":
    serve(_resize)
