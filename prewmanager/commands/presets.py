"""The presets that the environment asks for, with their variants."""

from __future__ import annotations

from typing import Any

from prewmanager.commands.output import print_json, print_table
from prewmanager.config.settings import Settings
from prewmanager.previews.preset import Preset
from prewmanager.previews.variants import variants

# What the table has columns of its own for; the rest is rarely set.
_COLUMNS = ("width", "height", "fit", "position", "format", "quality")


def show(settings: Settings, *, as_json: bool) -> None:
    """Print them in order of their names: as JSON a list of presets with their variants inside, else a row for each."""
    presets = sorted(settings.presets.items())
    if as_json:
        print_json([_described(name, preset) for name, preset in presets])
    else:
        print_table([_row(name, each) for preset in presets for name, each in variants(*preset).items()])


def _described(name: str, preset: Preset) -> dict[str, Any]:
    found = variants(name, preset)
    inside = [{"name": each, **_fields(look), "fingerprint": look.fingerprint} for each, look in found.items()]
    fields = preset.model_dump(mode="json")
    return {"name": name, **fields, "fingerprint": found[name].fingerprint, "variants": inside}


def _fields(look: Preset) -> dict[str, Any]:
    return look.model_dump(mode="json", exclude={"dpr"})


def _row(name: str, look: Preset) -> dict[str, object]:
    shown = {column: getattr(look, column) for column in _COLUMNS}
    rest = look.model_dump(exclude_defaults=True, exclude=set(_COLUMNS))
    further = ", ".join(_said(*each) for each in rest.items())
    return {"name": name, **shown, "further": further, "fingerprint": look.fingerprint}


def _said(field: str, value: object) -> str:
    if isinstance(value, tuple):
        return f"{field} {','.join(value)}"
    return field if value is True else f"{field} {value}"
