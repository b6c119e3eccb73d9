"""Finds the quality at which a photo has a wanted likeness to itself: a preset's `target`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pyvips

from lambda_resize import chroma, codecs, vips
from lambda_resize.similarity import MAX_PIXELS, MIN_SIDE, Reference
from prewmanager_presets import Spec
from prewmanager_presets.qualities import DEFAULT_QUALITIES, equal_quality

MAX_ENCODINGS = 5
_CLOSE = 1.0  # of a score; the estimate itself is no better
_LIKE_JPEG = "q"
# Mean scores by JPEG's quality, where a search begins; beyond them nothing is tried.
_TYPICAL = ((20, 42.0), (40, 57.5), (60, 67.4), (70, 72.4), (80, 78.1), (90, 84.7), (95, 88.5), (98, 92.0))
_LOWEST, _HIGHEST = _TYPICAL[0][0], _TYPICAL[-1][0]


def applies(image: pyvips.Image, target: str, spec: Spec) -> bool:
    """Whether a quality is searched: not for PNG, what moves, and pictures too large or too small to be compared."""
    if spec.target is None or target not in DEFAULT_QUALITIES or image.get_page_height() != image.height:
        return False
    is_small, is_large = min(image.width, image.height) < MIN_SIDE, image.width * image.height > MAX_PIXELS
    return not (is_small or is_large)


def encode(image: pyvips.Image, target: str, spec: Spec, left_s: Callable[[], float], *, kept: str = "none") -> bytes:
    """Encode at the quality whose score is nearest to the spec's target, of those that are tried; within `max_bytes`.

    Args:
        image: The preview, in memory.
        target: The output format.
        spec: The preview's; where `applies` is false, it is encoded at its plain quality.
        left_s: Returns how many seconds are left: where they are few, fewer qualities are tried.
        kept: Which metadata are written, as libvips names them.

    Raises what `codecs.encode` raises.
    """
    if not applies(image, target, spec):
        return codecs.encode_within(image, target, spec, kept=kept)
    image, is_whole = chroma.measured(image, spec.chroma or "420", always=codecs.ENCODERS[target].always_whole)
    spec = replace(spec, chroma=("444" if is_whole else "420") if spec.chroma else None)
    with vips.decoding():
        quality, made = _found(image, target, spec, left_s, kept)
    if spec.max_bytes is None or len(made) <= spec.max_bytes:
        return made
    return codecs.encode_within(image, target, _with_quality(spec, target, quality), kept=kept)


def _found(image: pyvips.Image, target: str, spec: Spec, left_s: Callable[[], float], kept: str) -> tuple[int, bytes]:
    """Return the format's quality, and the preview encoded at it."""
    like_jpeg = str(spec.target).startswith(_LIKE_JPEG)
    number = int(str(spec.target).removeprefix(_LIKE_JPEG))
    made: dict[int, bytes] = {}

    def encoded(quality: int) -> bytes:
        made[quality] = codecs.encode(image, target, _with_quality(spec, target, quality), kept=kept)
        return made[quality]

    if like_jpeg and target == "jpeg":
        return number, encoded(number)
    reference, wanted, tries = Reference(image), float(number), MAX_ENCODINGS
    if like_jpeg:
        wanted = reference.score(codecs.encode(reference.colours, "jpeg", Spec(width=1, jpeg_quality=number)))
        tries -= 1
    quality = search(lambda each: reference.score(encoded(equal_quality(target, each))), wanted, tries, left_s)
    quality = equal_quality(target, quality)
    return quality, made[quality]


def search(score: Callable[[int], float], wanted: float, tries: int, left_s: Callable[[], float]) -> int:
    """Return the quality, as of JPEG, whose score is nearest to the wanted one, of at most `tries` that are tried."""
    scores: dict[int, float] = {}
    quality = _within(_typical(wanted))
    while quality not in scores and len(scores) < tries:
        began = time.monotonic()
        scores[quality] = score(quality)
        if abs(scores[quality] - wanted) <= _CLOSE or left_s() < 3 * (time.monotonic() - began):
            break
        quality = _next(scores, quality, wanted)
    return min(scores, key=lambda each: (abs(scores[each] - wanted), each))


def _next(scores: dict[int, float], last: int, wanted: float) -> int:
    """Return where a line has the wanted score: through two that were measured, else as it is on average."""
    if len(scores) == 1:
        return _within(last + _typical(wanted) - _typical(scores[last]))
    below = sorted((each for each in scores if scores[each] <= wanted), key=lambda each: wanted - scores[each])
    above = sorted((each for each in scores if scores[each] > wanted), key=lambda each: scores[each] - wanted)
    first, second = (below[0], above[0]) if below and above else (below or above)[:2]
    if scores[first] == scores[second]:
        return last
    share = (wanted - scores[first]) / (scores[second] - scores[first])
    return _within(first + (second - first) * share)


def _typical(score: float) -> float:
    """Return the quality that has a score on average."""
    points = [*pairwise(_TYPICAL)]
    (low, at_low), (high, at_high) = next((pair for pair in points if score <= pair[1][1]), points[-1])
    return low + (high - low) * (score - at_low) / (at_high - at_low)


def _within(quality: float) -> int:
    return max(_LOWEST, min(_HIGHEST, round(quality)))


def _with_quality(spec: Spec, target: str, quality: int) -> Spec:
    own: dict[str, Any] = {f"{target}_quality": quality}
    return replace(spec, **own)
