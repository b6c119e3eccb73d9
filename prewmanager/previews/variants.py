"""The variants of a preset: the names that a path may say, and what each looks like. Pure values.

    card            the preset; where its format is `auto`, JPEG, or PNG where one can see through the picture
    card.avif       where its format is `auto`, for browsers that accept AVIF
    card.webp       likewise WebP
    card@2x         where its `dpr` has 2: twice the width and height
    card@2x.avif    both

nginx chooses among the formats by the request's `Accept`, and asks S3 and the service for the variant by its name. No
preset's own name has an @ or a dot, so each variant is one folder of the bucket that nothing else uses.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

from prewmanager_presets import Preset, definitions


def variants(name: str, preset: Preset) -> dict[str, Preset]:
    """What can be asked for of one preset, the preset itself first; no `auto` and no `dpr` is left in any."""
    found: dict[str, Preset] = {}
    for density in (1, *preset.dpr):
        full_name = name if density == 1 else f"{name}@{density}x"
        found |= {f"{full_name}{suffix}": each for suffix, each in _formats(_scaled(preset, density)).items()}
    return found


def all_variants(presets: Mapping[str, Preset]) -> dict[str, Preset]:
    """Those of all presets, by name."""
    return {name: each for preset in presets for name, each in variants(preset, presets[preset]).items()}


def like(variant: str, preset: str, known: Container[str]) -> str:
    """The variant of a preset that goes with this one of another: its format and density, as far as there is such."""
    front, dot, suffix = variant.partition(".")
    _, at, density = front.partition("@")
    wanted = (f"{preset}{at}{density}{dot}{suffix}", f"{preset}{dot}{suffix}", f"{preset}{at}{density}")
    return next((name for name in wanted if name in known), preset)


def _scaled(preset: Preset, density: int) -> Preset:
    scaled = {name: getattr(preset, name) for name, field in definitions(Preset).items() if field.is_scaled}
    return replace(preset, dpr=(), **{name: value * density for name, value in scaled.items() if value is not None})


def _formats(preset: Preset) -> dict[str, Preset]:
    """One preset by suffix; with what cannot matter to a format left out, so that its fingerprint does not change."""
    if preset.format != "auto":
        return {"": preset}
    # An animation stays one as WebP.
    moving = () if preset.animated else ("webp",)
    return {
        "": replace(preset, format="jpeg", transparent="keep", animated=False, **_without("webp", "avif")),
        ".avif": replace(preset, format="avif", transparent="flatten", **_without("jpeg", *moving)),
        ".webp": replace(preset, format="webp", transparent="flatten", **_without("jpeg", "avif")),
    }


def _without(*formats: str) -> dict[str, Any]:
    """The fields of these formats alone, such as `webp_quality`, at their defaults."""
    return {name: field.default for name, field in definitions(Preset).items() if field.format in formats}
