"""Fingerprints never change: a changed one would make all stored previews stale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from prewmanager.config.presets import ParsedPreset
from prewmanager.previews.variants import variants
from prewmanager_presets import Preset, Spec

# Fingerprints of the examples, the documents, and each field, as computed when service and function had separate
# algorithms.
FROZEN: list[dict[str, Any]] = json.loads(Path(__file__).with_name("fingerprints.json").read_text())
PARSE: TypeAdapter[Preset] = TypeAdapter(ParsedPreset)


@pytest.mark.parametrize("row", FROZEN, ids=lambda row: json.dumps(row["fields"]))
def test_fingerprints_stay_as_they_are(row: dict[str, Any]) -> None:
    preset = PARSE.validate_python(row["fields"])

    assert preset.fingerprint == row["preset"]
    assert {name: each.fingerprint for name, each in variants("card", preset).items()} == row["variants"]
    if "function" in row:
        assert Spec(**row["fields"]).fingerprint == row["function"]
    for each in variants("card", preset).values():
        assert Spec(**each.spec).fingerprint == each.fingerprint
