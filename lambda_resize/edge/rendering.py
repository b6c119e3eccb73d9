"""Renders the image of a query, in as many bytes as an answer has room for."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from typing import Any

from lambda_resize.edge.errors import EdgeError, NotAnImage, TooMuch, TooSlow
from lambda_resize.edge.query import EdgeQuery
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.errors import ResizeError, TimedOut, TooLarge
from lambda_resize.preview import Preview
from lambda_resize.resize import resize, resize_many
from lambda_resize.settings import Limits
from prewmanager_presets import Spec
from prewmanager_presets.qualities import LOWER_QUALITIES

# One grey pixel as PNG, which becomes the picture that stands for one that cannot be decoded.
_GREY_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAACklEQVQI12O4AAAA0gDRcVcW9QAAAABJRU5ErkJggg=="
)


def fitted(data: bytes, attempts: Sequence[Spec], settings: EdgeSettings, room: int, end: float) -> Preview:
    """Render an image in at most `room` characters of base64, by `end` of `time.monotonic`.

    Args:
        data: The whole image.
        attempts: What to try, one after the other; the image is decoded once for all of them.
        settings: Limits of the image.
        room: Characters.
        end: The end of all attempts together.

    Raises:
        NotAnImage: `data` cannot be decoded.
        TooMuch: It has too many pixels, or is too large at every quality.
        TooSlow: It takes longer.
    """
    limits = Limits(
        max_source_bytes=settings.max_source_bytes,
        max_source_pixels=settings.max_source_pixels,
        max_seconds=max(0.0, min(Limits.max_seconds, end - time.monotonic())),
    )
    smallest = 0
    for preview in resize_many(data, attempts, limits):
        if isinstance(preview, ResizeError):
            raise _translated(preview) from preview
        smallest = base64_characters(len(preview.data))
        if smallest <= room:
            return preview
    raise TooMuch(f"{smallest} characters of base64 at the lowest quality, there is room for {room}")


def grey(query: EdgeQuery) -> Preview:
    """Return a grey picture of the query's size; a side that it leaves open is as long as the other."""
    width, height = query.width or query.height, query.height or query.width
    return resize(_GREY_PIXEL, Spec(width, height, fit="fill", enlarge=True))


def base64_characters(size: int) -> int:
    """Return how many characters of base64 that many bytes take."""
    return -(-size // 3) * 4


def specs(query: EdgeQuery, settings: EdgeSettings, output: str | None) -> Sequence[Spec]:
    """Return sharp's fit with small images enlarged, as `output` or in the image's own format; then lower qualities."""
    box = (query.width or settings.max_width, query.height or settings.max_height)
    # With one side alone, the photo's proportions make the other, up to its maximum.
    fit = settings.fit if query.width and query.height else "inside"

    def spec(**options: Any) -> Spec:
        return Spec(*box, fit=fit, background="#ffffff", enlarge=True, **options)

    first = spec(format=output) if output else spec()
    return [first, *(spec(format="jpeg", quality=quality) for quality in LOWER_QUALITIES)]


def _translated(error: ResizeError) -> EdgeError:
    if isinstance(error, TooLarge):
        return TooMuch(str(error))
    return TooSlow(str(error)) if isinstance(error, TimedOut) else NotAnImage(str(error))
