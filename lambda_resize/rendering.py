"""Where previews are rendered: by libvips in this process, or by a decoder that has nothing but the photo."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from lambda_resize.decoder.client import rendered
from lambda_resize.decoder.messages import Job
from lambda_resize.download import SLOW_STORAGE_S, Download
from lambda_resize.errors import ResizeError, StorageFailed, TimedOut
from lambda_resize.preview import Preview
from lambda_resize.settings import Settings
from prewmanager_presets import Spec

# libvips is imported in functions only: where a decoder renders, the process that has S3's key does not load it.


def prepare(settings: Settings) -> None:
    """Load and configure libvips, which takes a moment, if this process renders."""
    if settings.decoder is None:
        from lambda_resize import files, vips  # noqa: PLC0415 -- see above

        vips.allow_svg(allowed=settings.allow_svg)
        files.allow_pdf(allowed=settings.allow_pdf)
        _image_core()


def render_many(
    data: bytes | Download, specs: Sequence[Spec], settings: Settings, *, placeholder: bool = False
) -> Iterator[Preview | ResizeError]:
    """Do what `lambda_resize.resize.resize_many` does, which says what is yielded, where the settings say.

    A decoder gets the photo when all of it is there. Raises what `Download.whole` raises, and
    `StorageFailed` where the photo came too late.
    """
    if settings.decoder is None:
        return _image_core()(data, specs, settings.limits, placeholder=placeholder)
    whole = data.whole() if isinstance(data, Download) else data
    return _by_decoder(settings.decoder, whole, specs, settings, placeholder=placeholder)


def _image_core() -> Callable[..., Iterator[Preview | ResizeError]]:
    from lambda_resize.resize import resize_many  # noqa: PLC0415 -- see above

    return resize_many


def _by_decoder(
    path: str, data: bytes, specs: Sequence[Spec], settings: Settings, *, placeholder: bool
) -> Iterator[Preview | ResizeError]:
    own_s = settings.limits.max_seconds
    left_s = min(own_s, settings.limits.ends_at - time.monotonic())
    slow = StorageFailed(f"S3 left {left_s:.1f} of {own_s:g} seconds for rendering")
    if left_s <= 0:
        raise slow
    limits = replace(settings.limits, max_seconds=left_s, ends_at=math.inf)
    allowed = {"allow_svg": settings.allow_svg, "allow_pdf": settings.allow_pdf}
    job = Job(tuple(specs), limits, placeholder=placeholder, **allowed)
    for outcome in rendered(path, data, job):
        yield slow if isinstance(outcome, TimedOut) and left_s < own_s - SLOW_STORAGE_S else outcome
