"""The fields of a preset: bounds, names, fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest

from lambda_resize.errors import InvalidRequest
from lambda_resize.spec import Spec

FIELDS_AND_OTHER_VALUES = {
    "width": 721,
    "height": 300,
    "fit": "inside",
    "position": "top",
    "format": "webp",
    "quality": 70,
    "jpeg_quality": 71,
    "webp_quality": 72,
    "avif_quality": 73,
    "webp_effort": 0,
    "avif_effort": 9,
    "enlarge": True,
    "background": "#000000",
    "transparent": "keep",
    "sharpen": 1,
    "blur": 2.5,
    "animated": True,
    "best_effort": True,
}


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
        {"webp_effort": 7, "width": 1},
        {"webp_effort": -1, "width": 1},
        {"avif_effort": 10, "width": 1},
        {"avif_effort": False, "width": 1},
        {"fit": "crop", "width": 1},
        {"fit": ["cover"], "width": 1},
        {"position": "top left", "width": 1},
        {"position": "attention", "fit": "contain", "width": 1},
        {"format": "gif", "width": 1},
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
def test_a_field_out_of_bounds_is_refused_by_its_name(fields: dict[str, Any]) -> None:
    """The first word of the message is the field, so that whoever set it finds it."""
    with pytest.raises(InvalidRequest, match=f"^{next(iter(fields))}: "):
        Spec(**fields)


def test_one_side_is_needed() -> None:
    """Without width and height there is nothing to make."""
    with pytest.raises(InvalidRequest, match=r"^width, height: "):
        Spec(quality=80)


def test_the_bounds_themselves_are_accepted() -> None:
    """1 and 10000 pixels, quality 1 and 100."""
    assert Spec(width=1, height=10_000, quality=1) != Spec(width=1, height=10_000, quality=100)


def test_the_fingerprint_is_the_hash_of_the_canonical_json() -> None:
    """Anybody can compute it from the fields: names sorted, no spaces, SHA-256, 12 hex digits."""
    canonical = (
        '{"background":"#ffffff","enlarge":false,"fit":"cover","format":"keep",'
        '"height":null,"position":"centre","quality":null,"width":720}'
    )
    assert Spec(width=720).fingerprint == hashlib.sha256(canonical.encode()).hexdigest()[:12]


def test_a_field_at_its_default_changes_no_old_fingerprint() -> None:
    """Presets from before a field was added keep theirs, and so do their previews."""
    later: dict[str, Any] = {"transparent": "flatten", "sharpen": None, "blur": None, "animated": False}
    later |= {"best_effort": False, "jpeg_quality": None, "webp_quality": None, "avif_quality": None}
    later |= {"webp_effort": None, "avif_effort": None}
    assert Spec(width=720, **later).fingerprint == Spec(width=720).fingerprint


def test_each_field_changes_the_fingerprint() -> None:
    """A preset that makes another picture never has the fingerprint of the old one."""
    assert FIELDS_AND_OTHER_VALUES.keys() == {field.name for field in dataclasses.fields(Spec)}
    base: dict[str, Any] = {"width": 720}
    prints = {Spec(**base | {name: value}).fingerprint for name, value in FIELDS_AND_OTHER_VALUES.items()}
    assert len(prints | {Spec(**base).fingerprint}) == len(FIELDS_AND_OTHER_VALUES) + 1


def test_a_formats_own_quality_goes_before_the_common_one() -> None:
    """What neither says is the format's default."""
    spec = Spec(width=1, quality=70, avif_quality=40)

    assert [spec.quality_of(target) for target in ("avif", "webp", "jpeg", "png")] == [40, 70, 70, 70]
    assert Spec(width=1, avif_quality=40).quality_of("jpeg") is None


def test_effort_belongs_to_one_format() -> None:
    """0 is an effort, and not the default; JPEG and PNG have none."""
    spec = Spec(width=1, webp_effort=0)

    assert [spec.effort_of(target) for target in ("webp", "avif", "jpeg", "png")] == [0, None, None, None]


def test_the_background_is_read_as_red_green_blue() -> None:
    """#rrggbb in the order of the letters, whatever their case."""
    assert Spec(width=1, background="#fF8001").background_rgb == (255, 128, 1)


def test_a_spec_is_plain_data() -> None:
    """It goes through JSON and comes back as it was."""
    spec = Spec(**FIELDS_AND_OTHER_VALUES)  # type: ignore[arg-type] # each value fits its own field
    assert Spec(**json.loads(json.dumps(dataclasses.asdict(spec)))) == spec
