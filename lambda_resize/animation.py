"""Renders animations: each frame like a single preview, then the frames are joined."""

from __future__ import annotations

from dataclasses import replace

import pyvips

from lambda_resize import finishing, scaling
from lambda_resize.errors import TooLarge
from lambda_resize.geometry import Geometry, Size
from lambda_resize.scaling import Decoded
from lambda_resize.sources import Photo
from prewmanager_presets import CONTENT_POSITIONS, Spec

_PILLOWS_FRAMES = 16  # what its decoders hold besides those that are decoded: AVIF's has several at once
_HELD_FRAMES = 2.4  # of the largest size, of four bytes a pixel, fit into 1 GB


def check_held(photo: Photo, scaled: Size) -> None:
    """Raise `TooLarge` for an animation that takes too much memory, which has its frames decoded and scaled."""
    frames = photo.frames + (_PILLOWS_FRAMES if photo.by_pillow else 0)
    held = photo.size.pixels * frames + 2 * scaled.pixels  # the encoder copies them
    limit = int(_HELD_FRAMES * photo.limits.max_frame_pixels)
    if held > limit:
        raise TooLarge(f"the animation holds {held} pixels, decoded and scaled, the limit is {limit}")


def render_frames(photo: Photo, decoded: Decoded, sizes: Geometry, spec: Spec) -> pyvips.Image:
    """Render all frames one below the other, with their height and delays, as libvips' WebP encoder expects them.

    The part that `cover` keeps must not jump from frame to frame, so positions chosen by content become the centre.

    Raises `TimedOut` between two frames. Holds the decoded photo and the small frames in memory.
    """
    if spec.position in CONTENT_POSITIONS:
        spec = replace(spec, position="centre")
    frames = []
    for number in range(len(decoded.frames)):
        photo.deadline.check()
        frame, may_be_wide = decoded.frame(number), spec.colours == "wide"
        scaled = scaling.scale(photo, decoded, frame, sizes.scaled, may_be_wide=may_be_wide)
        frames.append(finishing.finish(_coloured(scaled), "webp", sizes, spec).copy_memory())
    joined = pyvips.Image.arrayjoin(frames, across=1).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    for name in ("delay", "loop"):  # set by the loaders of all formats that move
        joined.set_type(decoded.image.get_typeof(name), name, decoded.image.get(name))
    return joined


def _coloured(image: pyvips.Image) -> pyvips.Image:
    """Convert to sRGB with opacity, so that all frames have the same bands."""
    image = image.colourspace("srgb")
    return image if image.hasalpha() else image.addalpha()
