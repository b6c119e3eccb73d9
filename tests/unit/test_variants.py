"""The variants of a preset, and the definition of each."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.layout import Layout
from prewmanager.previews.variants import all_variants, variants
from prewmanager_presets import Preset


def changes(**fields: Any) -> dict[str, dict[str, Any]]:
    """Return the variants of a preset called card, with their differences from the defaults."""
    return {name: each.changes() for name, each in variants("card", Preset(**fields)).items()}


def test_a_plain_preset_is_its_only_variant() -> None:
    card = Preset(width=720, quality=75)

    assert variants("card", card) == {"card": card}
    assert variants("card", card)["card"].fingerprint == card.fingerprint


def test_auto_is_three_formats() -> None:
    assert changes(width=720, format="auto") == {
        "card": {"width": 720, "format": "jpeg", "transparent": "keep"},
        "card.avif": {"width": 720, "format": "avif"},
        "card.webp": {"width": 720, "format": "webp"},
    }


def test_a_denser_variant_scales_size_and_effects() -> None:
    fields: dict[str, Any] = {"width": 100, "height": 50, "sharpen": 0.5, "blur": 0.3, "quality": 70}
    dense = {"width": 300, "height": 150, "sharpen": 1.5, "blur": pytest.approx(0.9), "quality": 70}

    assert changes(**fields, dpr=(3,)) == {"card": fields, "card@3x": dense}
    assert variants("card", Preset(**fields, dpr=(3,)))["card"].fingerprint == Preset(**fields).fingerprint


def test_densities_and_formats_multiply() -> None:
    names = list(changes(width=720, format="auto", dpr=(2, 3)))

    assert names == [
        f"card{density}{suffix}" for density, suffix in product(["", "@2x", "@3x"], ["", ".avif", ".webp"])
    ]


@pytest.mark.parametrize(
    ("field", "variant"),
    [
        ("jpeg_quality", "card"),
        ("webp_quality", "card.webp"),
        ("webp_effort", "card.webp"),
        ("avif_quality", "card.avif"),
        ("avif_effort", "card.avif"),
    ],
)
def test_a_field_of_one_format_matters_to_that_format_alone(field: str, variant: str) -> None:
    fields: dict[str, Any] = {"width": 720, "format": "auto"}
    before, after = Preset(**fields), Preset(**(fields | {field: 3}))
    old, new = variants("card", before), variants("card", after)

    assert {name for name in new if new[name].fingerprint != old[name].fingerprint} == {variant}
    assert getattr(new[variant], field) == 3


def test_under_auto_an_animation_is_kept_as_webp() -> None:
    made = changes(width=720, format="auto", animated=True, webp_quality=60, webp_effort=4)

    moving = {"width": 720, "animated": True, "webp_quality": 60, "webp_effort": 4}
    assert made["card.avif"] == moving | {"format": "avif"}
    assert made["card.webp"] == moving | {"format": "webp"}
    assert made["card"] == {"width": 720, "format": "jpeg", "transparent": "keep"}


def test_a_path_names_a_variant() -> None:
    presets = {"card": Preset(width=720, format="auto", dpr=(2,)), "thumb": Preset(width=200)}
    catalogue = Catalogue(all_variants(presets), Layout("photo", "prew"))

    raw, encoded = (catalogue.resolve(f"/prew/card{at}2x.avif/a/b.jpg") for at in ("@", "%40"))

    assert raw == encoded
    assert (raw.preset_name, raw.photo_key, raw.preview_key) == (
        "card@2x.avif",
        "photo/a/b.jpg",
        "prew/card@2x.avif/a/b.jpg",
    )
    assert (raw.preset.width, raw.preset.format) == (1440, "avif")
