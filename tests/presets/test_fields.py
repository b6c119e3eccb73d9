"""The fields of a preset: bounds, names, fingerprint."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from prewmanager_presets import Field, Preset, PresetError, Spec, definitions
from prewmanager_presets.kinds import Colour, Densities, Flag, Likeness, Names, Number, Word


def _other_value(field: Field) -> Any:  # noqa: PLR0911 -- one for each kind
    """A valid value that is not the default."""
    match field.kind:
        case Number(high=high):
            return high
        case Word(words):
            return next(word for word in words if word not in {field.default, "entropy", "attention"})
        case Flag():
            return not field.default
        case Colour():
            return "#000000"
        case Likeness():
            return "q80"
        case Densities():
            return (2,)
        case Names():
            return ("card",)


OTHER_VALUES = {name: _other_value(field) for name, field in definitions(Spec).items()}


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 0},
        {"width": 10_001},
        {"width": "720"},
        {"width": 7.5},
        {"width": True},
        {"height": -1},
        {"quality": 0, "width": 1},
        {"quality": 101, "width": 1},
        {"jpeg_quality": 0, "width": 1},
        {"webp_quality": 101, "width": 1},
        {"avif_quality": "50", "width": 1},
        {"jpeg_effort": 4, "width": 1},
        {"png_effort": 3, "width": 1},
        {"webp_effort": 7, "width": 1},
        {"webp_effort": -1, "width": 1},
        {"avif_effort": 10, "width": 1},
        {"avif_effort": False, "width": 1},
        {"avif_bitdepth": "9", "width": 1},
        {"fit": "crop", "width": 1},
        {"fit": ["cover"], "width": 1},
        {"position": "top left", "width": 1},
        {"position": "attention", "fit": "contain", "width": 1},
        {"format": "gif", "width": 1},
        {"chroma": "422", "width": 1},
        {"target": "39", "width": 1},
        {"target": 75, "width": 1},
        {"target": "q96", "width": 1},
        {"max_bytes": 999, "width": 1},
        {"enlarge": 1, "width": 1},
        {"background": "white", "width": 1},
        {"background": "#fff", "width": 1},
        {"background": 0, "width": 1},
        {"transparent": "yes", "width": 1},
        {"sharpen": 0, "width": 1},
        {"sharpen": 10.5, "width": 1},
        {"sharpen": True, "width": 1},
        {"blur": 0.2, "width": 1},
        {"blur": "3", "width": 1},
        {"animated": 1, "width": 1},
        {"best_effort": "no", "width": 1},
    ],
)
def test_an_error_begins_with_the_name_of_the_field_out_of_bounds(fields: dict[str, Any]) -> None:
    with pytest.raises(PresetError, match=f"^{next(iter(fields))}: "):
        Spec(**fields)


def test_a_width_or_a_height_is_needed() -> None:
    with pytest.raises(PresetError, match=r"^width, height: "):
        Spec(quality=80)


def test_the_bounds_of_sides_and_quality_are_accepted() -> None:
    assert Spec(width=1, height=10_000, quality=1) != Spec(width=1, height=10_000, quality=100)


def test_the_fingerprint_is_the_hash_of_the_canonical_json() -> None:
    canonical = (
        '{"background":"#ffffff","enlarge":false,"fit":"cover","format":"keep",'
        '"height":null,"position":"centre","quality":null,"width":720}'
    )
    assert Spec(width=720).fingerprint == hashlib.sha256(canonical.encode()).hexdigest()[:12]


def test_a_field_at_its_default_changes_no_old_fingerprint() -> None:
    """Presets that are older than a field keep their fingerprints, and so their previews."""
    later = {name: field.default for name, field in definitions(Preset).items() if not field.always_counts}

    assert (
        Preset(width=720, **later | {"effort": "fast", "webp_quality": 80, "avif_quality": 50}).fingerprint
        == Spec(width=720).fingerprint
    )


def test_each_field_changes_the_fingerprint() -> None:
    base: dict[str, Any] = {"width": 720}
    prints = {Spec(**base | {name: value}).fingerprint for name, value in OTHER_VALUES.items()}

    assert len(prints | {Spec(**base).fingerprint}) == len(OTHER_VALUES) + 1


def test_a_spec_survives_json() -> None:
    spec = Spec(**OTHER_VALUES)

    assert Spec(**json.loads(json.dumps(spec.as_dict()))) == spec


def test_only_what_differs_from_the_defaults_is_a_change() -> None:
    assert Preset(width=9, fit="cover", dpr=(2,)).changes() == {"width": 9, "dpr": (2,)}


@pytest.mark.parametrize("fields", [{"dpr": [2]}, {"dpr": (3, 2)}, {"dpr": (5,)}, {"companions": "card"}])
def test_a_presets_own_fields_are_tuples_in_one_order(fields: dict[str, Any]) -> None:
    with pytest.raises(PresetError, match=f"^{next(iter(fields))}: "):
        Preset(width=1, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 5001, "dpr": (2,)},
        {"width": 1, "height": 2501, "dpr": (4,)},
        {"width": 1, "sharpen": 5.5, "dpr": (2,)},
        {"width": 1, "blur": 7, "dpr": (3,)},
    ],
)
def test_a_density_beyond_the_bounds_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(PresetError, match=r"dpr \d makes \w+ [\d.]+ x \d, but the limit is \d+: lower one"):
        Preset(**fields)
