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

# Fingerprints of the examples, the documents, and each field, as computed when service and function had separate
# algorithms.
FROZEN: list[dict[str, Any]] = json.loads(Path(__file__).with_name("fingerprints.json").read_text())
# What keeps the pictures, and so the fingerprints, that presets had before the dial of efforts.
AS_BEFORE = {"effort": "fast"}
PARSE: TypeAdapter[Preset] = TypeAdapter(ParsedPreset)


@pytest.mark.parametrize("row", FROZEN, ids=lambda row: json.dumps(row["fields"]))
def test_fingerprints_stay_as_they_are(row: dict[str, Any]) -> None:
    preset = PARSE.validate_python(row["fields"] | AS_BEFORE)

    assert preset.fingerprint == row["preset"]
    assert {name: each.fingerprint for name, each in variants("card", preset).items()} == row["variants"]
    if "function" in row:
        assert Spec(**row["fields"]).fingerprint == row["function"]
    for each in variants("card", preset).values():
        assert Spec(**each.spec).fingerprint == each.fingerprint


def test_the_dial_counts_as_what_it_means_for_the_formats_that_may_come() -> None:
    balanced, small = (Preset(width=9, format="webp", effort=effort) for effort in ("balanced", "small"))

    assert len({each.fingerprint for each in (balanced, small, replace(balanced, effort="fast"))}) == 3
    assert balanced.fingerprint == Spec(width=9, format="webp", webp_effort=EFFORTS["balanced"]["webp"]).fingerprint
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
