"""The presets that the environment configures, with their variants."""

from __future__ import annotations

from typing import Any

from prewmanager.commands.output import print_json, print_table
from prewmanager.config.settings import Settings
from prewmanager.previews.preset import Preset
from prewmanager.previews.variants import variants

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
    fields = preset.model_dump(mode="json")
    return {"name": name, **fields, "fingerprint": found[name].fingerprint, "variants": inside}


def _fields(variant: Preset) -> dict[str, Any]:
    return variant.model_dump(mode="json", exclude={"dpr"})


def _row(name: str, variant: Preset) -> dict[str, object]:
    shown = {column: getattr(variant, column) for column in _COLUMNS}
    rest = variant.model_dump(exclude_defaults=True, exclude=set(_COLUMNS))
    further = ", ".join(_setting(*each) for each in rest.items())
    return {"name": name, **shown, "further": further, "fingerprint": variant.fingerprint}


def _setting(field: str, value: object) -> str:
    if isinstance(value, tuple):
        return f"{field} {','.join(value)}"
    return field if value is True else f"{field} {value}"
