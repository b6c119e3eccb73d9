"""Fingerprints never change: a changed one would make all stored previews stale."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from prewmanager.config.presets import ParsedPreset
from prewmanager.previews.variants import variants
from prewmanager_presets import Preset, Spec
from prewmanager_presets.efforts import EFFORTS
from prewmanager_presets.qualities import equal_quality

# Fingerprints of the examples, the documents, and each field, as computed when service and function had separate
# algorithms.
FROZEN: list[dict[str, Any]] = json.loads(Path(__file__).with_name("fingerprints.json").read_text())


def as_before(fields: dict[str, Any]) -> dict[str, Any]:
    """What keeps the pictures, and so the fingerprints, that presets had before there was a dial of efforts."""
    came = {"keep": {"webp", "avif"}, "auto": {"webp", "avif"}}
    formats = came.get(fields.get("format", "keep"), {fields.get("format")})
    qualities = {"webp": fields.get("quality", 80), "avif": fields.get("quality", 50)}
    own = {f"{name}_quality": value for name, value in qualities.items() if name in formats}
    return {"effort": "fast"} | own | fields


PARSE: TypeAdapter[Preset] = TypeAdapter(ParsedPreset)


@pytest.mark.parametrize("row", FROZEN, ids=lambda row: json.dumps(row["fields"]))
def test_fingerprints_stay_as_they_are(row: dict[str, Any]) -> None:
    preset = PARSE.validate_python(as_before(row["fields"]))

    assert preset.fingerprint == row["preset"]
    assert {name: each.fingerprint for name, each in variants("card", preset).items()} == row["variants"]
    if "function" in row:
        assert Spec(**row["fields"]).fingerprint == row["function"]
    for each in variants("card", preset).values():
        assert Spec(**each.spec).fingerprint == each.fingerprint


def test_the_dial_counts_as_what_it_means_for_the_formats_that_may_come() -> None:
    balanced, small = (Preset(width=9, format="webp", effort=effort) for effort in ("balanced", "small"))

    assert len({each.fingerprint for each in (balanced, small, replace(balanced, effort="fast"))}) == 3
    assert balanced.spec["webp_effort"] == EFFORTS["balanced"]["webp"]
    assert balanced.fingerprint == Spec(**balanced.spec).fingerprint
    assert replace(small, webp_effort=3).fingerprint == replace(balanced, webp_effort=3).fingerprint


def test_a_preview_at_another_effort_counts_as_the_presets() -> None:
    """What is asked for is that effort; the fingerprint is sent beside it."""
    preset = Preset(width=9, format="webp")

    assert Spec(**preset.spec).fingerprint == preset.fingerprint
    assert preset.spec_at("small") == preset.spec | {"webp_effort": EFFORTS["small"]["webp"]}
    assert replace(preset, webp_effort=1).spec_at("small")["webp_effort"] == 1


@pytest.mark.parametrize(
    ("fields", "formats"),
    [
        ({}, {"jpeg", "png", "webp", "avif"}),
        ({"format": "jpeg"}, {"jpeg"}),
        ({"format": "jpeg", "transparent": "keep"}, {"jpeg", "png"}),
        ({"format": "avif", "animated": True}, {"avif", "webp"}),
        ({"format": "png"}, {"png"}),
    ],
)
def test_the_dial_leaves_out_formats_that_cannot_come(fields: dict[str, Any], formats: set[str]) -> None:
    spec = Preset(width=9, **fields).spec_at("small")

    assert {name.partition("_")[0] for name in spec if name.endswith("_effort") and spec[name] is not None} == (
        formats | {"best"}
    )


@pytest.mark.parametrize("jpeg", [None, 1, 33, 40, 79, 95, 100])
def test_webp_and_avif_get_the_quality_that_equals_jpegs(jpeg: int | None) -> None:
    spec = Preset(width=9, quality=jpeg).spec

    wanted = [equal_quality(each, jpeg or 80) for each in ("webp", "avif")]
    got = [spec[f"{each}_quality"] or jpeg for each in ("webp", "avif")]
    assert got == wanted
    assert spec["jpeg_quality"] is None


def test_a_formats_own_quality_is_by_its_own_scale() -> None:
    spec = Preset(width=9, quality=70, webp_quality=61, jpeg_quality=62).spec

    assert (spec["webp_quality"], spec["jpeg_quality"], spec["quality"]) == (61, 62, 70)


@pytest.mark.parametrize("target", ["webp", "avif"])
def test_a_better_jpeg_is_no_worse_in_any_format(target: str) -> None:
    qualities = [equal_quality(target, each) for each in range(1, 101)]

    assert qualities == sorted(qualities)
    assert (qualities[0], qualities[-1]) == (1, 100)


@pytest.mark.parametrize(
    ("fields", "chroma"),
    [
        ({}, "auto"),
        ({"effort": "small"}, "auto"),
        ({"effort": "fast"}, None),
        ({"format": "png"}, None),
        ({"chroma": "420"}, "420"),
    ],
)
def test_chroma_is_auto_unless_the_preset_is_fast(fields: dict[str, Any], chroma: str | None) -> None:
    preset = Preset(width=9, **fields)

    assert [preset.spec_at(effort)["chroma"] for effort in EFFORTS] == [chroma] * 3
