"""The presets that the environment configures, with their variants."""

from __future__ import annotations

from typing import Any

from prewmanager.commands.output import print_json, print_table
from prewmanager.config.settings import Settings
from prewmanager.previews.variants import variants
from prewmanager_presets import Preset

# The fields with a column of their own; the others are rarely set.
_COLUMNS = ("width", "height", "fit", "position", "format", "quality")


def show(settings: Settings, *, as_json: bool) -> None:
    """Print the presets by name: as JSON with their variants inside, otherwise as a table of all variants."""
    presets = sorted(settings.presets.items())
    if as_json:
        print_json([_described(name, preset) for name, preset in presets])
    else:
        print_table([_row(name, each) for preset in presets for name, each in variants(*preset).items()])


def _described(name: str, preset: Preset) -> dict[str, Any]:
    found = variants(name, preset)
    inside = [{"name": each, **_fields(variant), "fingerprint": variant.fingerprint} for each, variant in found.items()]
    return {"name": name, **preset.as_dict(), "fingerprint": found[name].fingerprint, "variants": inside}


def _fields(variant: Preset) -> dict[str, Any]:
    return {field: value for field, value in variant.as_dict().items() if field != "dpr"}


def _row(name: str, variant: Preset) -> dict[str, object]:
    shown = {column: getattr(variant, column) for column in _COLUMNS}
    further = ", ".join(_written(name, each) for name, each in variant.changes().items() if name not in _COLUMNS)
    return {"name": name, **shown, "further": further, "fingerprint": variant.fingerprint}


def _written(field: str, value: object) -> str:
    if isinstance(value, tuple):
        return f"{field} {','.join(value)}"
    return field if value is True else f"{field} {value}"
