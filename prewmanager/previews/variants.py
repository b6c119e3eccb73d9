"""The variants of a preset: the names that a path can request, and the definition of each. No I/O.

    card            the preset; if its format is `auto`, JPEG, or PNG if the photo is transparent
    card.avif       if its format is `auto`, for browsers that accept AVIF
    card.webp       likewise for WebP
    card@2x         if its `dpr` includes 2: twice the width and height
    card@2x.avif    both

nginx chooses the format by the request's `Accept`, and requests the variant by its name from S3 and the service. A
preset's own name has neither an @ nor a dot, so each variant has a folder of the bucket to itself.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

from prewmanager_presets import Preset, definitions


def variants(name: str, preset: Preset) -> dict[str, Preset]:
    """Return all variants of one preset by name, the preset itself first; none has format `auto` or a `dpr`."""
    found: dict[str, Preset] = {}
    for density in (1, *preset.dpr):
        full_name = name if density == 1 else f"{name}@{density}x"
        found |= {f"{full_name}{suffix}": each for suffix, each in _formats(_scaled(preset, density)).items()}
    return found


def all_variants(presets: Mapping[str, Preset]) -> dict[str, Preset]:
    """Return the variants of all presets, by name."""
    return {name: each for preset in presets for name, each in variants(preset, presets[preset]).items()}


def like(variant: str, preset: str, known: Container[str]) -> str:
    """Return the variant of `preset` that matches another preset's `variant`: in format and density, if `known`."""
    front, dot, suffix = variant.partition(".")
    _, at, density = front.partition("@")
    wanted = (f"{preset}{at}{density}{dot}{suffix}", f"{preset}{dot}{suffix}", f"{preset}{at}{density}")
    return next((name for name in wanted if name in known), preset)


def _scaled(preset: Preset, density: int) -> Preset:
    scaled = {name: getattr(preset, name) for name, field in definitions(Preset).items() if field.is_scaled}
    return replace(preset, dpr=(), **{name: value * density for name, value in scaled.items() if value is not None})


def _formats(preset: Preset) -> dict[str, Preset]:
    """Return a preset's formats by suffix; other formats' fields get their defaults, out of the fingerprint."""
    if preset.format != "auto":
        return {"": preset}
    # Animations are rendered as WebP, also for browsers that accept AVIF.
    moving = () if preset.animated else ("webp",)
    return {
        "": replace(preset, format="jpeg", transparent="keep", animated=False, **_without("webp", "avif")),
        ".avif": replace(preset, format="avif", transparent="flatten", **_without("jpeg", "png", *moving)),
        ".webp": replace(preset, format="webp", transparent="flatten", **_without("jpeg", "png", "avif")),
    }


def _without(*formats: str) -> dict[str, Any]:
    """Return the fields of these formats only, such as `webp_quality`, at their defaults."""
    return {name: field.default for name, field in definitions(Preset).items() if field.format in formats}
