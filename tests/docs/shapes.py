"""What the commands print with --json, as types: the source of docs/reference/output.schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, create_model

from prewmanager.commands.checks import Finding
from prewmanager.commands.purge import Purged
from prewmanager.commands.rendering import FailedPreview
from prewmanager.commands.sign import Signed
from prewmanager.commands.stale import StalePreview, StaleSummary
from prewmanager.commands.stats import PresetStats
from prewmanager.commands.warm import WarmSummary
from prewmanager_presets import Preset, definitions

# As `presets` describes a preset and its variants, whose densities are in their names.
_FIELDS = {name: kind for name, kind in get_type_hints(Preset).items() if name in definitions(Preset)}
_NAMED = {"name": str, "fingerprint": str}
_INSIDE = {name: kind for name, kind in _FIELDS.items() if name != "dpr"}
_Variant = create_model("Variant", **{name: (kind, ...) for name, kind in (_INSIDE | _NAMED).items()})  # type: ignore[call-overload]  # mypy reads literals alone
_Preset = create_model(  # type: ignore[call-overload]  # as above
    "Preset", variants=(list[_Variant], ...), **{name: (kind, ...) for name, kind in (_FIELDS | _NAMED).items()}
)
FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "output.schema.json"
# Of warm and stale each line, of the others the whole output.
SHAPES: dict[str, TypeAdapter[Any]] = {
    "doctor": TypeAdapter(list[Finding]),
    "presets": TypeAdapter(list[_Preset]),
    "purge": TypeAdapter(Purged),
    "stale": TypeAdapter(StalePreview | FailedPreview | StaleSummary),
    "sign": TypeAdapter(list[Signed]),
    "stats": TypeAdapter(list[PresetStats]),
    "warm": TypeAdapter(FailedPreview | WarmSummary),
}


def schema() -> str:
    """Return one JSON Schema, with a definition for each command."""
    inputs = [(command, "serialization", adapter) for command, adapter in SHAPES.items()]
    by_command, shared = TypeAdapter.json_schemas(inputs)  # type: ignore[arg-type]  # the keys are any hashable
    definitions = {command: each for (command, _), each in by_command.items()} | shared["$defs"]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "prewmanager COMMAND --json"}
    return json.dumps(head | {"$defs": definitions}, indent=2, sort_keys=True) + "\n"


def is_of_shape(command: str, value: Any) -> bool:
    """Whether a document or line has exactly the fields of its command's shape."""
    adapter = SHAPES[command]
    read = adapter.dump_python(adapter.validate_python(value))
    return bool(json.loads(json.dumps(read, default=lambda time: time.isoformat())) == value)
